import type { ReactNode } from "react";
import type { Step } from "../../chat/state";
import { formatDuration } from "./format";
import { Icon } from "../../ui/Icon";

interface StepsProps {
  readonly steps: readonly Step[];
  /** What the agent says that it is doing now; null when it does nothing. */
  readonly activity: string | null;
}

/** What the agent did, closed until the user wants to know. */
export function Steps({ steps, activity }: StepsProps): ReactNode {
  if (steps.length === 0) return activity && <p className="activity">{activity}</p>;
  return (
    <details className="steps">
      <summary>
        <Icon name="chevron" />
        <span className={activity ? "shimmer" : ""}>{activity ?? summaryOf(steps)}</span>
      </summary>
      <ol>
        {steps.map((step, index) => (
          <li key={index}>{step.kind === "thinking" ? <Thinking text={step.text} /> : <Tool step={step} />}</li>
        ))}
      </ol>
    </details>
  );
}

function summaryOf(steps: readonly Step[]): string {
  const tools = steps.filter((step) => step.kind === "tool").length;
  const parts = [
    ...(tools < steps.length ? ["Thought"] : []),
    ...(tools > 0 ? [`${tools < steps.length ? "used" : "Used"} ${tools} tool${tools > 1 ? "s" : ""}`] : []),
  ];
  return parts.join(", ");
}

function Thinking({ text }: { text: string }): ReactNode {
  return <p className="thinking">{text}</p>;
}

type ToolStep = Extract<Step, { kind: "tool" }>;
const STATE_NAMES = { running: "running", ok: "done", failed: "failed", unknown: "no result" };

function Tool({ step }: { step: ToolStep }): ReactNode {
  return (
    <div className="tool" data-state={step.state}>
      <p className="tool-head">
        <span className="tool-state" role="img" aria-label={STATE_NAMES[step.state]}>
          {step.state === "ok" && <Icon name="check" />}
          {step.state === "failed" && <Icon name="cross" />}
        </span>
        <code>{step.name}</code>
        {step.durationMs !== undefined && <span className="muted">{formatDuration(step.durationMs)}</span>}
      </p>
      {hasContent(step.arguments) && <pre className="arguments">{JSON.stringify(step.arguments, null, 2)}</pre>}
      {step.summary && <p className="tool-summary">{step.summary}</p>}
    </div>
  );
}

function hasContent(value: unknown): boolean {
  return value !== undefined && value !== null && JSON.stringify(value) !== "{}";
}
