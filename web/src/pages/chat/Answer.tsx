import { Link } from "@tanstack/react-router";
import type { Part } from "@millrace/client";
import { type ReactNode, memo } from "react";
import { type AnswerEntry, answerText } from "../../chat/state";
import { Asks, type OnAnswer } from "./Asks";
import { Branches } from "./Branches";
import { CopyButton } from "../../ui/CopyButton";
import { activityOf, footnotes, groupsOf } from "./format";
import { ListenButton } from "./Listen";
import { Markdown } from "./Markdown";
import { Steps } from "./Steps";

export interface AnswerActions {
  readonly onAnswer: OnAnswer;
  readonly onListen: (answer: AnswerEntry, wasSpoken: boolean) => void;
  readonly onRegenerate: (answerId: string) => void;
  readonly onBranch: (messageId: string) => void;
  readonly onRetry: () => void;
}

interface AnswerProps extends AnswerActions {
  readonly answer: AnswerEntry;
  readonly isSpoken: boolean;
  /** Only the last answer can be retried after an error. */
  readonly isLast: boolean;
  /** The agent is working, so branches cannot be changed. */
  readonly isRunning: boolean;
}

/** With `aria-busy`, screen readers speak the complete answer instead of each token. */
export const Answer = memo((props: AnswerProps): ReactNode => {
  const { answer, isSpoken, onAnswer, onListen, onRetry, isLast, isRunning } = props;
  const isOpen = answer.state === "open";
  const text = answerText(answer);
  const groups = groupsOf(answer.parts);
  const asked = new Set(answer.parts.flatMap(callsOf));
  const others = answer.asks.filter((ask) => !asked.has(ask.callId));
  const activity = activityOf(answer);
  const listen = (text || isSpoken) && (
    <ListenButton isSpoken={isSpoken} onToggle={() => onListen(answer, isSpoken)} />
  );
  const hasFooter = answer.state === "done" || (answer.state === "failed" && answer.siblings.length > 1);
  const isStepLast = Array.isArray(groups.at(-1));
  return (
    <article className="answer" data-anchor={answer.runId} data-state={answer.state} aria-label="Answer" aria-busy={isOpen}>
      {groups.map((group, index) =>
        Array.isArray(group) ? (
          <Steps key={index} steps={group} activity={index === groups.length - 1 ? activity : null} asks={answer.asks} onAnswer={onAnswer} />
        ) : (
          <Piece key={index} part={group} answer={answer} isOpen={isOpen && index === groups.length - 1} onAnswer={onAnswer} />
        ),
      )}
      {activity && !isStepLast && <p className="activity">{activity}</p>}
      {isOpen && answer.parts.length === 0 && others.length === 0 && !activity && <Skeleton />}
      <Asks asks={others} onAnswer={onAnswer} />
      {answer.failure && <FailureBox answer={answer} onRetry={isLast && !isRunning ? onRetry : null} />}
      {hasFooter && (
        <Footer {...props} text={text}>
          {listen}
        </Footer>
      )}
      {!hasFooter && listen && <div className="actions">{listen}</div>}
    </article>
  );
});

/** The calls that the parts of an answer show in place. */
function callsOf(part: Part): string[] {
  if (part.type === "approval") return [part.callId];
  return "parts" in part ? part.parts.flatMap(callsOf) : [];
}

interface PieceProps {
  readonly part: Part;
  readonly answer: AnswerEntry;
  readonly isOpen: boolean;
  readonly onAnswer: OnAnswer;
}

/** A text, or a call that waits for a person, at its place in the answer. */
function Piece({ part, answer, isOpen, onAnswer }: PieceProps): ReactNode {
  if (part.type === "approval") {
    return <Asks asks={answer.asks.filter((ask) => ask.callId === part.callId)} onAnswer={onAnswer} />;
  }
  if (part.type !== "text") return null;
  return (
    <div className="prose" dir="auto">
      <Markdown text={part.text} isStreaming={isOpen} />
    </div>
  );
}

function Skeleton(): ReactNode {
  return (
    <div className="skeleton" role="status" aria-label="The agent is working">
      <span />
      <span />
      <span />
    </div>
  );
}

function FailureBox({ answer, onRetry }: { answer: AnswerEntry; onRetry: (() => void) | null }): ReactNode {
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

function Footer(props: AnswerProps & { text: string; children: ReactNode }): ReactNode {
  const { answer, text, isRunning, onRegenerate, onBranch, children } = props;
  const canRegenerate = !isRunning && answer.messageId !== null && answer.state === "done";
  return (
    <footer className="answer-foot">
      <Branches ids={answer.siblings} own={shownSibling(answer)} isDisabled={isRunning} onBranch={onBranch} />
      <RunChip answer={answer} />
      <div className="actions">
        {text && <CopyButton text={text} label="Copy answer" />}
        {children}
        {canRegenerate && (
          <button type="button" className="quiet" aria-label="Regenerate" onClick={() => onRegenerate(answer.id)}>
            Regenerate
          </button>
        )}
      </div>
    </footer>
  );
}

/** An answer has several messages; the first one has the alternatives as siblings. */
function shownSibling({ siblings, firstId, messageId }: AnswerEntry): string {
  return siblings.find((one) => one === firstId || one === messageId) ?? siblings.at(-1) ?? "";
}

/** Tokens, cost and times of an answer, with a link to its run. */
function RunChip({ answer }: { answer: AnswerEntry }): ReactNode {
  const notes = footnotes(answer);
  if (notes.length === 0) return null;
  const shown = notes.map((note) => <span key={note}>{note}</span>);
  if (!answer.runId) return <p className="run-chip">{shown}</p>;
  return (
    <Link to="/runs/$runId" params={{ runId: answer.runId }} className="run-chip" title="Show the run">
      {shown}
    </Link>
  );
}
