import { type KeyboardEvent, type ReactNode, memo, useState } from "react";
import type { Delivery, UserEntry } from "../../chat/state";
import { Attachments } from "./Attachments";
import { Branches } from "./Branches";
import { Icon } from "../../ui/Icon";

export interface QuestionActions {
  readonly onWithdraw: (id: string) => void;
  readonly onResend: (id: string) => void;
  readonly onEdit: (id: string, text: string) => void;
  readonly onBranch: (messageId: string) => void;
}

interface QuestionProps extends QuestionActions {
  readonly entry: UserEntry;
  readonly isRunning: boolean;
}

/** A message of the user. A live message shows its delivery state. */
export const Question = memo((props: QuestionProps): ReactNode => {
  const { entry, isRunning, onEdit, onBranch } = props;
  const [isEditing, setEditing] = useState(false);
  const edit = (text: string) => {
    setEditing(false);
    onEdit(entry.id, text);
  };
  return (
    <article className="question" data-anchor={entry.messageId} data-delivery={entry.delivery} aria-label="Your message">
      {entry.attachments && entry.attachments.length > 0 && <Attachments items={entry.attachments} />}
      {isEditing && <Editor text={entry.text} onDone={edit} onCancel={() => setEditing(false)} />}
      {entry.text && !isEditing && (
        <p className="bubble" dir="auto">
          {entry.text}
        </p>
      )}
      {entry.delivery === "sent" && !isEditing && (!isRunning || entry.siblings) && (
        <div className="question-foot">
          <Branches ids={entry.siblings ?? []} own={entry.messageId ?? ""} isDisabled={isRunning} onBranch={onBranch} />
          {!isRunning && (
            <button
              type="button"
              className="bare"
              aria-label="Edit message"
              title="Edit"
              onClick={() => setEditing(true)}
            >
              <Icon name="edit" />
            </button>
          )}
        </div>
      )}
      {entry.delivery !== "sent" && <DeliveryLine {...props} />}
    </article>
  );
});

interface EditorProps {
  readonly text: string;
  readonly onDone: (text: string) => void;
  readonly onCancel: () => void;
}

/** The editor of a question. What followed the old one stays on its branch. */
function Editor({ text, onDone, onCancel }: EditorProps): ReactNode {
  const [draft, setDraft] = useState(text);
  const canSend = draft.trim() !== "";
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && canSend) {
      event.preventDefault();
      onDone(draft.trim());
    }
    if (event.key === "Escape") {
      event.preventDefault();
      onCancel();
    }
  };
  return (
    <form className="edit" onSubmit={(event) => (event.preventDefault(), canSend && onDone(draft.trim()))}>
      <textarea
        aria-label="Edit message"
        autoFocus
        dir="auto"
        rows={Math.min(12, draft.split("\n").length + 1)}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="edit-foot">
        <button type="button" className="quiet" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" disabled={!canSend}>
          Send
        </button>
      </div>
    </form>
  );
}

const CAN_WITHDRAW: readonly Delivery[] = ["accepted", "queued"];
const CAN_RESEND: readonly Delivery[] = ["expired", "failed"];

function DeliveryLine({ entry, isRunning, onWithdraw, onResend }: QuestionProps): ReactNode {
  return (
    <p className="delivery" role="status">
      {entry.delivery === "seen" && <Icon name="check" />}
      <span>{deliveryText(entry, isRunning)}</span>
      {CAN_RESEND.includes(entry.delivery) && (
        <button type="button" className="quiet" onClick={() => onResend(entry.id)}>
          Send again
        </button>
      )}
      {CAN_WITHDRAW.includes(entry.delivery) && (
        <button type="button" className="quiet" onClick={() => onWithdraw(entry.id)}>
          Withdraw
        </button>
      )}
    </p>
  );
}

function deliveryText({ delivery, note }: UserEntry, isRunning: boolean): string {
  switch (delivery) {
    case "sending":
      return "Sending…";
    case "accepted":
      return note ?? (isRunning ? "Accepted; the agent reads it at its next step" : "Waiting for the agent's next run");
    case "seen":
      return "Seen by the agent";
    case "expired":
      return "Expired before the agent read it.";
    case "queued":
      return [note, "It will be sent when the answer is finished."].filter(Boolean).join(" ");
    default:
      return `Not delivered: ${note ?? "unknown error"}`;
  }
}
