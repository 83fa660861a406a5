import { type KeyboardEvent, type ReactNode, type RefObject, useEffect, useLayoutEffect, useState } from "react";
import { Icon } from "./Icon";

interface ComposerProps {
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly isRunning: boolean;
  readonly isStopping: boolean;
  readonly isDisabled: boolean;
  readonly onSend: (text: string) => void;
  readonly onStop: () => void;
}

/** Where messages are written. It stays open while the agent answers: what is sent then reaches the running agent. */
export function Composer({ box, isRunning, isStopping, isDisabled, onSend, onStop }: ComposerProps): ReactNode {
  const [text, setText] = useState("");
  const canSend = text.trim() !== "" && !isDisabled;
  useLayoutEffect(() => fitHeight(box.current), [box, text]);
  // Whoever presses Enter while the page still loads has said it: it goes as soon as it can.
  const [isWaiting, setWaiting] = useState(false);
  const send = () => {
    setWaiting(!canSend && text.trim() !== "");
    if (!canSend) return;
    onSend(text.trim());
    setText("");
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
    <form className="composer" onSubmit={(event) => (event.preventDefault(), send())}>
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
