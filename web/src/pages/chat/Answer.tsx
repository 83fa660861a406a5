import { type ReactNode, memo } from "react";
import type { AnswerEntry } from "../../chat/state";
import { Asks, type OnAnswer } from "./Asks";
import { CopyButton } from "./CodeBlock";
import { activityOf, footnotes } from "./format";
import { ListenButton } from "./Listen";
import { Markdown } from "./Markdown";
import { Steps } from "./Steps";

interface AnswerProps {
  readonly answer: AnswerEntry;
  readonly isSpoken: boolean;
  readonly onAnswer: OnAnswer;
  readonly onListen: (answer: AnswerEntry, wasSpoken: boolean) => void;
  /** Only the last answer can be asked for again. */
  readonly onRetry: (() => void) | null;
}

/** `aria-busy` lets screen readers speak the answer when it is whole instead of token by token. */
export const Answer = memo(({ answer, isSpoken, onAnswer, onListen, onRetry }: AnswerProps): ReactNode => {
  const isOpen = answer.state === "open";
  const isWaiting = answer.asks.some((ask) => ask.state !== "answered");
  const listen = <ListenButton isSpoken={isSpoken} onToggle={() => onListen(answer, isSpoken)} />;
  return (
    <article className="answer" data-state={answer.state} aria-label="Answer" aria-busy={isOpen}>
      <Steps steps={answer.steps} activity={activityOf(answer)} />
      {isOpen && !answer.text && !isWaiting && <Skeleton />}
      {answer.text && (
        <div className="prose">
          <Markdown text={answer.text} isStreaming={isOpen} />
        </div>
      )}
      <Asks asks={answer.asks} onAnswer={onAnswer} />
      {answer.failure && <FailureBox answer={answer} onRetry={onRetry} />}
      {answer.state === "done" && <Footer answer={answer}>{listen}</Footer>}
      {answer.state !== "done" && (answer.text || isSpoken) && <div className="actions">{listen}</div>}
    </article>
  );
});

function Skeleton(): ReactNode {
  return (
    <div className="skeleton" role="status" aria-label="The agent is working">
      <span />
      <span />
      <span />
    </div>
  );
}

function FailureBox({ answer, onRetry }: Pick<AnswerProps, "answer" | "onRetry">): ReactNode {
  return (
    <div className="failure" role="alert">
      <p>{answer.failure?.message}</p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

function Footer({ answer, children }: { answer: AnswerEntry; children: ReactNode }): ReactNode {
  return (
    <footer className="answer-foot">
      {footnotes(answer).map((note) => (
        <span key={note}>{note}</span>
      ))}
      {answer.text && (
        <div className="actions">
          <CopyButton text={answer.text} label="Copy answer" />
          {children}
        </div>
      )}
    </footer>
  );
}
