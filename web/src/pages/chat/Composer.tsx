import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useContext,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { Attachment } from "../../api/types";
import { MEDIA_TYPES, type Upload, Uploads, toAttachments } from "../../chat/attachments";
import { FilesContext, UploadList } from "./Attachments";
import { Icon } from "../../ui/Icon";

interface ComposerProps {
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly isRunning: boolean;
  readonly isStopping: boolean;
  readonly isDisabled: boolean;
  readonly onSend: (text: string, attachments: readonly Attachment[]) => void;
  readonly onStop: () => void;
}

/** Where messages are written. It stays open while the agent answers: what is sent then reaches the running agent. */
export function Composer({ box, isRunning, isStopping, isDisabled, onSend, onStop }: ComposerProps): ReactNode {
  const [text, setText] = useState("");
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const api = useContext(FilesContext);
  const files = useMemo(() => api && new Uploads(api, setUploads), [api]);
  const add = (list: FileList | null) => files?.add([...(list ?? [])], uploads.length);
  const picker = useRef<HTMLInputElement>(null);
  const says = text.trim() !== "" || uploads.length > 0;
  // A file that failed is not left out in silence: it is removed first.
  const canSend = says && !isDisabled && uploads.every((one) => one.fileId !== null);
  useLayoutEffect(() => fitHeight(box.current), [box, text]);
  // Whoever presses Enter while the page still loads has said it: it goes as soon as it can.
  const [isWaiting, setWaiting] = useState(false);
  const send = () => {
    setWaiting(!canSend && says && uploads.every((one) => one.problem === null));
    if (!canSend) return;
    onSend(text.trim(), toAttachments(uploads));
    setText("");
    setUploads([]);
  };
  useEffect(() => {
    if (isWaiting && canSend) send();
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => (event.preventDefault(), send())}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => (event.preventDefault(), add(event.dataTransfer.files))}
    >
      <UploadList uploads={uploads} onRemove={(upload) => files?.remove(upload)} />
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        accept={MEDIA_TYPES.join(",")}
        aria-label="Files"
        onChange={(event) => (add(event.target.files), (event.target.value = ""))}
      />
      <button
        type="button"
        className="round"
        aria-label="Add images and files"
        title="Add images and files"
        onClick={() => picker.current?.click()}
      >
        <Icon name="clip" />
      </button>
      <textarea
        ref={box}
        rows={1}
        value={text}
        maxLength={32_000}
        autoFocus
        aria-label="Message"
        placeholder={isRunning ? "Tell the agent more" : "Ask anything"}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={(event) => event.clipboardData.files.length > 0 && (event.preventDefault(), add(event.clipboardData.files))}
      />
      {isRunning && (
        <button
          type="button"
          className="round"
          aria-label="Stop"
          title="Stop (Esc)"
          disabled={isStopping}
          onClick={onStop}
        >
          <Icon name="stop" />
        </button>
      )}
      <button type="submit" className="round primary" aria-label="Send" title="Send (Enter)" disabled={!canSend}>
        <Icon name="send" />
      </button>
    </form>
  );
}

/** As high as its text; the style sheet sets the limit. */
function fitHeight(box: HTMLTextAreaElement | null): void {
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}
