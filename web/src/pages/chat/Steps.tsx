import type { Part, StepPart, ThinkingPart, ToolPart } from "@millrace/client";
import type { ReactNode } from "react";
import type { Ask } from "../../chat/asks";
import { Icon } from "../../ui/Icon";
import { Asks, type OnAnswer } from "./Asks";
import { formatDuration, thoughtFor } from "./format";

interface StepsProps {
  readonly steps: readonly Part[];
  /** The agent's status; null if it is idle. */
  readonly activity: string | null;
  readonly asks: readonly Ask[];
  readonly onAnswer: OnAnswer;
}

/** The agent's steps between two texts, collapsed by default. */
export function Steps({ steps, activity, asks, onAnswer }: StepsProps): ReactNode {
  const calls = new Set(steps.flatMap(callsIn));
  return (
    <>
      <details className="steps">
        <summary>
          <Icon name="chevron" />
          <span className={activity ? "shimmer" : ""}>{activity ?? summaryOf(steps)}</span>
        </summary>
        <StepList parts={steps} />
      </details>
      {/* What a sub-agent asks must be seen though its steps are closed. */}
      <Asks asks={asks.filter((ask) => calls.has(ask.callId))} onAnswer={onAnswer} />
    </>
  );
}

function callsIn(part: Part): string[] {
  if (!("parts" in part)) return [];
  return part.parts.flatMap((one) => (one.type === "approval" ? [one.callId] : callsIn(one)));
}

function StepList({ parts }: { parts: readonly Part[] }): ReactNode {
  return (
    <ol>
      {parts.map((part, index) => (
        <li key={index}>
          <OneStep part={part} />
        </li>
      ))}
    </ol>
  );
}

function OneStep({ part }: { part: Part }): ReactNode {
  switch (part.type) {
    case "thinking":
      return <Thought part={part} />;
    case "text":
      return (
        <p className="thinking" dir="auto">
          {part.text}
        </p>
      );
    case "tool":
    case "step":
      return <Call part={part} />;
    case "message":
      return <p className="thinking">{part.content}</p>;
    case "approval":
      return <p className="thinking">{part.name ? `Asked for approval of ${part.name}` : "Asked a person"}</p>;
  }
}

function Thought({ part }: { part: ThinkingPart }): ReactNode {
  const lasted = thoughtFor([part]);
  return (
    <>
      <p className="thinking" dir="auto">
        {part.text}
      </p>
      {lasted !== null && <p className="muted thought-for">{formatDuration(lasted)}</p>}
    </>
  );
}

function summaryOf(steps: readonly Part[]): string {
  const running = steps.findLast((step) => step.type === "tool" && step.state === "running");
  if (running?.type === "tool") return `Wants to use ${running.name}`;
  const tools = steps.filter((step) => step.type === "tool").length;
  const others = steps.filter((step) => step.type === "step").length;
  const hasThought = steps.some((step) => step.type === "thinking");
  const thought = thoughtFor(steps);
  const parts = [
    ...(hasThought ? [thought === null ? "thought" : `thought for ${formatDuration(thought)}`] : []),
    ...(tools > 0 ? [`used ${tools} tool${tools > 1 ? "s" : ""}`] : []),
    ...(others > 0 ? [`took ${others} step${others > 1 ? "s" : ""}`] : []),
  ];
  const text = parts.join(", ") || "worked";
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const STATE_NAMES = { running: "running", ok: "done", failed: "failed", skipped: "skipped", unknown: "no result" };

function Call({ part }: { part: ToolPart | StepPart }): ReactNode {
  return (
    <div className="tool" data-state={part.state}>
      <p className="tool-head">
        <span className="tool-state" role="img" aria-label={STATE_NAMES[part.state]}>
          {part.state === "ok" && <Icon name="check" />}
          {part.state === "failed" && <Icon name="cross" />}
        </span>
        <code>{part.name}</code>
        {part.durationMs !== null && <span className="muted">{formatDuration(part.durationMs)}</span>}
      </p>
      {part.type === "tool" && hasContent(part.arguments) && (
        <pre className="arguments">{JSON.stringify(part.arguments, null, 2)}</pre>
      )}
      {part.parts.length > 0 && <StepList parts={part.parts} />}
      {part.type === "tool" && part.summary && <p className="tool-summary">{part.summary}</p>}
    </div>
  );
}

function hasContent(value: unknown): boolean {
  return value !== undefined && value !== null && JSON.stringify(value) !== "{}";
}
