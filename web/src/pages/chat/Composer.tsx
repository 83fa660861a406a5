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
import type { Attachment } from "../../chat/state";
import { MEDIA_TYPES, type Upload, Uploads, toAttachments } from "../../chat/attachments";
import { keepDraft, readDraft } from "../../chat/drafts";
import { formatNumber } from "../../ui/format";
import { FilesContext, UploadList } from "./Attachments";
import { Icon } from "../../ui/Icon";

/** What the server takes, in bytes of UTF-8. */
const MESSAGE_BYTES = 524_288;
const LIVE_BYTES = 32_768;

interface ComposerProps {
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly isRunning: boolean;
  readonly isStopping: boolean;
  readonly isDisabled: boolean;
  readonly conversationId: string;
  /** `after`: the message waits for the end of the answer, instead of reaching the agent at its next step. */
  readonly onSend: (text: string, attachments: readonly Attachment[], after: boolean) => void;
  readonly onStop: () => void;
}

/** Where messages are written. It stays open while the agent answers: what is sent then reaches the running agent. */
export function Composer(props: ComposerProps): ReactNode {
  const { conversationId, box, isRunning, isStopping, isDisabled, onSend, onStop } = props;
  const [text, setText] = useState(() => readDraft(conversationId));
  const [isAfter, setAfter] = useState(false);
  const after = isRunning && isAfter;
  useEffect(() => keepDraft(conversationId, text), [conversationId, text]);
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const api = useContext(FilesContext);
  const files = useMemo(() => api && new Uploads(api, setUploads), [api]);
  const add = (list: FileList | null) => files?.add([...(list ?? [])], uploads.length);
  const picker = useRef<HTMLInputElement>(null);
  const excess = useExcess(text, isRunning && !isAfter);
  const says = (text.trim() !== "" || uploads.length > 0) && excess === null;
  // A file that failed is not left out in silence: it is removed first.
  const canSend = says && !isDisabled && uploads.every((one) => one.fileId !== null);
  useLayoutEffect(() => fitHeight(box.current), [box, text]);
  // Whoever presses Enter while the page still loads has said it: it goes as soon as it can.
  const [isWaiting, setWaiting] = useState(false);
  const send = () => {
    setWaiting(!canSend && says && uploads.every((one) => one.problem === null));
    if (!canSend) return;
    onSend(text.trim(), toAttachments(uploads), after);
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
      {isRunning && <SteerSwitch isAfter={isAfter} onChange={setAfter} />}
      {excess && (
        <p className="excess" role="alert">
          {excess}
        </p>
      )}
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
        dir="auto"
        aria-invalid={excess !== null}
        aria-label="Message"
        placeholder={placeholderOf(isRunning, after)}
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

function placeholderOf(isRunning: boolean, isAfter: boolean): string {
  if (!isRunning) return "Ask anything";
  return isAfter ? "Ask this when the answer is finished" : "Tell the agent more";
}

/** Whether a message reaches the agent at once, or begins the next answer. */
function SteerSwitch({ isAfter, onChange }: { isAfter: boolean; onChange: (isAfter: boolean) => void }): ReactNode {
  return (
    <div className="steer" role="radiogroup" aria-label="When to send">
      {[false, true].map((value) => (
        <label key={String(value)} data-checked={isAfter === value}>
          <input type="radio" name="steer" checked={isAfter === value} onChange={() => onChange(value)} />
          {value ? "Send after" : "Steer now"}
        </label>
      ))}
    </div>
  );
}

/** What is wrong with a text that is too long; null for one that is not. Nothing is cut in silence. */
function useExcess(text: string, isLive: boolean): string | null {
  return useMemo(() => {
    const limit = isLive ? LIVE_BYTES : MESSAGE_BYTES;
    // No character has more than three bytes per unit: most texts need not be counted.
    if (text.length * 3 <= limit) return null;
    const bytes = new TextEncoder().encode(text).length;
    if (bytes <= limit) return null;
    const what = isLive ? "A message to a running agent" : "A message";
    return `${what} must not exceed ${formatNumber(limit)} bytes; this one has ${formatNumber(bytes)}. Send it as a file.`;
  }, [text, isLive]);
}

/** As high as its text; the style sheet sets the limit. */
function fitHeight(box: HTMLTextAreaElement | null): void {
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}
