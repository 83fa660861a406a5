import { isTerminal, numberOf, type RunEvent, type Schemas } from "@millrace/client";

export type StepState = "pending" | "running" | "waiting" | "completed" | "failed" | "skipped";

export interface StepView {
  readonly state: StepState;
  readonly durationMs: number | null;
  /** What its agent has said so far. */
  readonly text: string;
  /** The current activity of its agent or tool. */
  readonly activity: string;
}

export interface Asked {
  readonly step: string;
  readonly prompt: string | null;
  readonly choices: readonly string[];
  readonly schema: unknown;
  readonly expiresAt: string;
}

export type ExecutionState = "running" | "waiting" | "completed" | "stopped" | "failed";

/** The state of an execution, from its events. */
export interface ExecutionView {
  readonly state: ExecutionState;
  readonly steps: Readonly<Record<string, StepView>>;
  readonly asked: Asked | null;
  readonly result: unknown;
  readonly error: string | null;
  readonly durationMs: number | null;
}

export interface Received {
  readonly event: RunEvent;
  readonly id: string | null;
}

const PENDING: StepView = { state: "pending", durationMs: null, text: "", activity: "" };
const START: ExecutionView = { state: "running", steps: {}, asked: null, result: undefined, error: null, durationMs: null };

/** Returns the log with one more event, without what a takeover takes back. */
export function appended(log: readonly Received[], received: Received): readonly Received[] {
  const { event, id } = received;
  if (event.type === "rewind") {
    const last = numberOf(event.after);
    return log.filter((one) => one.id === null || numberOf(one.id) <= last);
  }
  // A repeated answer repeats events that were seen before.
  if (id !== null && log.some((one) => one.id === id)) return log;
  return [...log, received];
}

export function viewOf(log: readonly Received[]): ExecutionView {
  return log.reduce((view, { event }) => next(view, event), START);
}

/** Returns the view with the step that ended the flow, which has no event of its own. */
export function withEnd(view: ExecutionView, steps: readonly { readonly name: string; readonly type: string }[]): ExecutionView {
  const end = steps.find(({ name, type }) => type === "end" && view.steps[name]?.state !== "skipped");
  return view.state === "completed" && end ? withStep(view, end.name, { state: "completed" }) : view;
}

function next(view: ExecutionView, event: RunEvent): ExecutionView {
  const step = "step" in event && typeof event.step === "string" ? event.step : null;
  if (isTerminal(event)) return ended(view, event, step);
  switch (event.type) {
    case "flow_step_start":
      return withStep({ ...view, state: "running", asked: null }, event.step, { ...PENDING, state: "running" });
    case "flow_step_complete":
      return withStep(view, event.step, { state: event.ok ? "completed" : "failed", durationMs: event.durationMs, activity: "" });
    case "flow_step_skipped":
      return withStep(view, event.step, { state: "skipped" });
    case "approval_requested":
      return event.kind === "input" ? asks(view, event) : view;
    case "approval_answered":
      return answered(view, event);
    case "waiting":
      return { ...view, state: "waiting" };
    default:
      return step === null ? view : withStep(view, step, progress(view.steps[step] ?? PENDING, event));
  }
}

function progress(step: StepView, event: RunEvent): Partial<StepView> {
  switch (event.type) {
    case "token":
      return { text: step.text + event.token, activity: "" };
    case "tool_call":
      return { activity: `calls ${event.name}` };
    case "status":
      return { activity: event.message };
    default:
      return {};
  }
}

function asks(view: ExecutionView, event: Schemas["ApprovalRequestedEvent"]): ExecutionView {
  const { callId, prompt, options, schema, expiresAt } = event;
  const asked: Asked = { step: callId, prompt: prompt ?? null, choices: options ?? [], schema: schema ?? null, expiresAt };
  return { ...withStep(view, callId, { state: "waiting" }), asked };
}

/** Tool calls can be answered as well, but they are not steps. */
function answered(view: ExecutionView, { callId, decision }: Schemas["ApprovalAnsweredEvent"]): ExecutionView {
  if (view.steps[callId]?.state !== "waiting") return view;
  const state = decision === "reject" ? "failed" : "completed";
  return { ...withStep(view, callId, { state }), state: "running", asked: null };
}

function ended(view: ExecutionView, event: RunEvent, step: string | null): ExecutionView {
  if (event.type === "error") {
    const failed = step === null ? view : withStep(view, step, { state: "failed" });
    return { ...failed, state: "failed", asked: null, error: event.message };
  }
  if (event.type !== "done") return view;
  const isStopped = ["rejected", "expired", "stopped"].includes(event.finishReason ?? "");
  const result = "result" in event ? event.result : undefined;
  return { ...view, state: isStopped ? "stopped" : "completed", asked: null, result, durationMs: event.durationMs ?? null };
}

function withStep(view: ExecutionView, name: string, changes: Partial<StepView>): ExecutionView {
  return { ...view, steps: { ...view.steps, [name]: { ...(view.steps[name] ?? PENDING), ...changes } } };
}
