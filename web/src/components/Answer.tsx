import { type ReactNode, memo } from "react";
import type { AnswerEntry } from "../chat/state";
import { CopyButton } from "./CodeBlock";
import { activityOf, footnotes } from "./format";
import { Markdown } from "./Markdown";
import { Steps } from "./Steps";

interface AnswerProps {
  readonly answer: AnswerEntry;
  /** Only the last answer can be asked for again. */
  readonly onRetry: (() => void) | null;
}

/** `aria-busy` lets screen readers speak the answer when it is whole instead of token by token. */
export const Answer = memo(({ answer, onRetry }: AnswerProps): ReactNode => {
  const isOpen = answer.state === "open";
  return (
    <article className="answer" data-state={answer.state} aria-label="Answer" aria-busy={isOpen}>
      <Steps steps={answer.steps} activity={activityOf(answer)} />
      {isOpen && !answer.text && <Skeleton />}
      {answer.text && (
        <div className="prose">
          <Markdown text={answer.text} isStreaming={isOpen} />
        </div>
      )}
      {answer.failure && <FailureBox answer={answer} onRetry={onRetry} />}
      {answer.state === "done" && <Footer answer={answer} />}
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

function FailureBox({ answer, onRetry }: AnswerProps): ReactNode {
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

function Footer({ answer }: { answer: AnswerEntry }): ReactNode {
  return (
    <footer className="answer-foot">
      {footnotes(answer).map((note) => (
        <span key={note}>{note}</span>
      ))}
      {answer.text && <CopyButton text={answer.text} label="Copy answer" />}
    </footer>
  );
}
