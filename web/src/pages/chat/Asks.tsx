import { type ReactNode, useState } from "react";
import { type ApprovalAnswer, type Ask, contentOf, decisionText } from "../../chat/asks";

export type OnAnswer = (answer: ApprovalAnswer) => void;

/** The calls of an answer that wait for a person, each with its actions. */
export function Asks({ asks, onAnswer }: { asks: readonly Ask[]; onAnswer: OnAnswer }): ReactNode {
  return asks.map((ask) => (
    <section key={ask.callId} className="ask" data-state={ask.state} aria-label={titleOf(ask)}>
      <p className="ask-title">{titleOf(ask)}</p>
      {hasContent(ask.arguments) && <pre className="arguments">{JSON.stringify(ask.arguments, null, 2)}</pre>}
      {ask.state === "answered" ? (
        <p className="muted">
          {decisionText(ask)}
          {ask.reason && ask.reason !== "expired" && `: ${ask.reason}`}
        </p>
      ) : (
        <Controls ask={ask} onAnswer={onAnswer} />
      )}
      {ask.note && (
        <p className="ask-note" role="alert">
          {ask.note}
        </p>
      )}
    </section>
  ));
}

function titleOf(ask: Ask): string {
  if (ask.kind === "client") return `The agent is waiting for the app that runs ${ask.name ?? "its tool"}.`;
  if (ask.kind !== "approval") return ask.prompt ?? "The agent has a question.";
  return ask.name ? `Approve ${ask.name}?` : "The agent asks for approval.";
}

function hasContent(value: unknown): boolean {
  return value !== undefined && value !== null && JSON.stringify(value) !== "{}";
}

interface ControlsProps {
  readonly ask: Ask;
  readonly onAnswer: OnAnswer;
}

function Controls({ ask, onAnswer }: ControlsProps): ReactNode {
  if (ask.canAnswer === null) return null;
  if (!ask.canAnswer) return <p className="muted">Waiting for somebody who may decide.</p>;
  return ask.kind === "approval" ? (
    <Decide ask={ask} onAnswer={onAnswer} />
  ) : (
    <Reply ask={ask} onAnswer={onAnswer} />
  );
}

function Decide({ ask, onAnswer }: ControlsProps): ReactNode {
  const [edited, setEdited] = useState<string | null>(null);
  const [isWrong, setIsWrong] = useState(false);
  const approve = () => {
    const given = edited === null ? undefined : parse(edited);
    setIsWrong(given === null);
    if (given !== null) onAnswer({ callId: ask.callId, decision: "approve", ...(given && { arguments: given }) });
  };
  return (
    <>
      {edited !== null && (
        <textarea
          aria-label="Arguments"
          aria-invalid={isWrong}
          rows={Math.min(12, edited.split("\n").length)}
          value={edited}
          onChange={(event) => setEdited(event.target.value)}
        />
      )}
      <Buttons isBusy={ask.state === "sending"}>
        <button type="button" className="button primary" onClick={approve}>
          Approve
        </button>
        <Reject ask={ask} onAnswer={onAnswer} />
        {edited === null && ask.schema !== null && (
          <button type="button" className="quiet" onClick={() => setEdited(JSON.stringify(ask.arguments, null, 2))}>
            Edit
          </button>
        )}
      </Buttons>
    </>
  );
}

function Reply({ ask, onAnswer }: ControlsProps): ReactNode {
  const [text, setText] = useState("");
  const [isWrong, setIsWrong] = useState(false);
  const { callId } = ask;
  const send = () => {
    try {
      onAnswer({ callId, decision: "answer", content: contentOf(ask, text) });
      setIsWrong(false);
    } catch {
      setIsWrong(true);
    }
  };
  if (ask.options.length > 0) {
    return (
      <Buttons isBusy={ask.state === "sending"}>
        {ask.options.map((option) => (
          <button
            key={option}
            type="button"
            className="button"
            onClick={() => onAnswer({ callId, decision: "answer", content: option })}
          >
            {option}
          </button>
        ))}
        <Reject ask={ask} onAnswer={onAnswer} />
      </Buttons>
    );
  }
  return (
    <>
      <textarea
        aria-label="Answer"
        aria-invalid={isWrong}
        placeholder={ask.schema === null ? "Your answer" : "Your answer as JSON"}
        rows={2}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Buttons isBusy={ask.state === "sending"}>
        <button type="button" className="button primary" disabled={text.trim() === ""} onClick={send}>
          Answer
        </button>
        <Reject ask={ask} onAnswer={onAnswer} />
      </Buttons>
    </>
  );
}

function Reject({ ask, onAnswer }: ControlsProps): ReactNode {
  return (
    <button type="button" className="quiet" onClick={() => onAnswer({ callId: ask.callId, decision: "reject" })}>
      {ask.kind === "approval" ? "Reject" : "Do not answer"}
    </button>
  );
}

function Buttons({ isBusy, children }: { isBusy: boolean; children: ReactNode }): ReactNode {
  return (
    <fieldset className="ask-buttons" disabled={isBusy}>
      {children}
    </fieldset>
  );
}

/** Returns an object; null for anything else. */
function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
