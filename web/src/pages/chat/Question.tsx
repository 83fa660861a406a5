import { type ReactNode, memo } from "react";
import type { Delivery, UserEntry } from "../../chat/state";
import { Attachments } from "./Attachments";
import { Icon } from "../../ui/Icon";

interface QuestionProps {
  readonly entry: UserEntry;
  readonly isRunning: boolean;
  readonly onWithdraw: (id: string) => void;
  readonly onResend: (id: string) => void;
}

/** A message of the user; a live one shows where it is. */
export const Question = memo((props: QuestionProps): ReactNode => {
  const { entry } = props;
  return (
    <article className="question" data-delivery={entry.delivery} aria-label="Your message">
      {entry.attachments && entry.attachments.length > 0 && <Attachments items={entry.attachments} />}
      {entry.text && <p className="bubble">{entry.text}</p>}
      {entry.delivery !== "sent" && <DeliveryLine {...props} />}
    </article>
  );
});

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
      return note ?? (isRunning ? "Accepted, read at the next step" : "Waits for the agent's next run");
    case "seen":
      return "Seen by the agent";
    case "expired":
      return "Expired before the agent read it.";
    case "queued":
      return [note, "It is sent when the answer is finished."].filter(Boolean).join(" ");
    default:
      return `Not delivered: ${note ?? "unknown error"}`;
  }
}
