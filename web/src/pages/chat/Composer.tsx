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

/** The server's limit, in bytes of UTF-8. */
const MESSAGE_BYTES = 524_288;
const LIVE_BYTES = 32_768;

interface ComposerProps {
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly isRunning: boolean;
  readonly isStopping: boolean;
  readonly isDisabled: boolean;
  readonly conversationId: string;
  /** `after`: the message is sent when the answer has ended, instead of reaching the agent at its next step. */
  readonly onSend: (text: string, attachments: readonly Attachment[], after: boolean) => void;
  readonly onStop: () => void;
}

/** The composer. It stays enabled while the agent answers: messages then reach the running agent. */
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
  // A failed file is never omitted silently; the user has to remove it first.
  const canSend = says && !isDisabled && uploads.every((one) => one.fileId !== null);
  useLayoutEffect(() => fitHeight(box.current), [box, text]);
  // If the user presses Enter while the page is loading, the message is sent as soon as possible.
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

/** The choice between sending a live message and waiting for the next answer. */
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

/** The error for a text that is too long, otherwise null. Nothing is cut silently. */
function useExcess(text: string, isLive: boolean): string | null {
  return useMemo(() => {
    const limit = isLive ? LIVE_BYTES : MESSAGE_BYTES;
    // A UTF-16 unit has at most three bytes, so most texts need not be counted.
    if (text.length * 3 <= limit) return null;
    const bytes = new TextEncoder().encode(text).length;
    if (bytes <= limit) return null;
    const what = isLive ? "A message to a running agent" : "A message";
    return `${what} must not exceed ${formatNumber(limit)} bytes; this one has ${formatNumber(bytes)}. Send it as a file.`;
  }, [text, isLive]);
}

/** As high as its text, up to the limit in the style sheet. */
function fitHeight(box: HTMLTextAreaElement | null): void {
  if (!box) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}
