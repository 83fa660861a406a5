import type { PartialRunEvent } from "../events.js";
import { type ApprovalPart, type Part, type StepPart, type ToolPart, told } from "./state.js";

type Event<Type extends PartialRunEvent["type"]> = Extract<PartialRunEvent, { type: Type }>;
type Change = (parts: readonly Part[]) => readonly Part[];

/** Returns the parts after one more event: of the run, or of the sub-agent or step that the event names. */
export function extendParts(parts: readonly Part[], event: PartialRunEvent): readonly Part[] {
  const change: Change = (own) => extend(own, event);
  const parent = "parent" in event ? event.parent : undefined;
  const step = "step" in event && !event.type.startsWith("flow_") ? event.step : undefined;
  return (
    within(parts, (part) => part.type === "tool" && part.id === parent, change) ??
    within(parts, (part) => part.type === "step" && part.step === step, change) ??
    change(parts)
  );
}

/** Marks parts that are still running as unknown, because nothing runs after the end of a run. */
export function settleParts(parts: readonly Part[]): readonly Part[] {
  return parts.map((part) => {
    if (part.type !== "tool" && part.type !== "step") return part;
    const state = part.state === "running" ? "unknown" : part.state;
    return { ...part, state, parts: settleParts(part.parts) } as Part;
  });
}

/** Changes the parts inside the last part that `isOwner` accepts, at any depth. Returns null if there is none. */
function within(parts: readonly Part[], isOwner: (part: Part) => boolean, change: Change): readonly Part[] | null {
  for (let index = parts.length - 1; index >= 0; index -= 1) {
    const part = parts[index] as Part;
    if (!("parts" in part)) continue;
    const inner = isOwner(part) ? change(part.parts) : within(part.parts, isOwner, change);
    if (inner) return inner === part.parts ? parts : parts.with(index, { ...part, parts: inner });
  }
  return null;
}

function extend(parts: readonly Part[], event: PartialRunEvent): readonly Part[] {
  switch (event.type) {
    case "thinking":
      return addText(parts, "thinking", event.text, "durationMs" in event && { durationMs: event.durationMs });
    case "token":
      return addText(parts, "text", event.token);
    case "tool_call":
      return [...parts, toolPart(event)];
    case "tool_output":
      return addOutput(parts, event);
    case "tool_result":
      return finishTool(parts, event);
    case "injected":
      return [...parts, { type: "message", messageId: event.messageId, content: event.content }];
    case "approval_requested":
      return hasAsked(parts, event.callId) ? parts : [...parts, approvalPart(event)];
    case "approval_answered":
      return answerApproval(parts, event);
    case "flow_step_start":
      return [...parts, stepPart(event, "running")];
    case "flow_step_skipped":
      return [...parts, stepPart(event, "skipped")];
    case "flow_step_complete":
      return finishStep(parts, event);
    default:
      return parts;
  }
}

function addText(parts: readonly Part[], type: "thinking" | "text", text: string, more: object | false = false): readonly Part[] {
  const last = parts.at(-1);
  if (last?.type !== type) return [...parts, { type, text, ...more }];
  return parts.with(-1, { type, text: last.text + text, ...more });
}

const TOOL = { id: "", name: "", arguments: null as unknown, client: false };

function toolPart(event: PartialRunEvent): ToolPart {
  return { type: "tool", ...told(event, TOOL), ...told(event, RESULT), state: "running", parts: [] };
}

const RESULT = { summary: null as string | null, result: null as string | null, durationMs: null as number | null };

function toolAtWork(parts: readonly Part[], id: string): number {
  return parts.findLastIndex((part) => part.type === "tool" && part.id === id && part.state === "running");
}

/** The output of a running tool is its result so far. */
function addOutput(parts: readonly Part[], event: Event<"tool_output">): readonly Part[] {
  const index = toolAtWork(parts, event.id);
  const tool = parts[index] as ToolPart;
  return index < 0 ? parts : parts.with(index, { ...tool, result: (tool.result ?? "") + event.output });
}

/** A result without its call (which was in an earlier part of the run) becomes a separate part. */
function finishTool(parts: readonly Part[], event: Event<"tool_result">): readonly Part[] {
  const index = toolAtWork(parts, event.id);
  const tool = (parts[index] as ToolPart | undefined) ?? toolPart(event);
  const finished: ToolPart = { ...tool, ...told(event, RESULT), state: event.ok ? "ok" : "failed" };
  return index < 0 ? [...parts, finished] : parts.with(index, finished);
}

function hasAsked(parts: readonly Part[], callId: string): boolean {
  return parts.some((part) => part.type === "approval" && part.callId === callId);
}

const QUESTION = {
  callId: "",
  kind: "",
  name: null as string | null,
  arguments: null as unknown,
  prompt: null as string | null,
  options: [] as readonly string[],
  schema: null as unknown,
  expiresAt: "",
};
const ANSWER = { decision: null as string | null, answeredBy: null as string | null, reason: null as string | null };

function approvalPart(event: PartialRunEvent): ApprovalPart {
  return { type: "approval", ...told(event, QUESTION), ...ANSWER, state: "waiting" };
}

function answerApproval(parts: readonly Part[], event: Event<"approval_answered">): readonly Part[] {
  return parts.map((part) =>
    part.type === "approval" && part.callId === event.callId ? { ...part, ...told(event, ANSWER), state: "answered" } : part,
  );
}

const STEP = { step: "", name: "", kind: null as string | null, index: null as number | null, total: null as number | null };

function stepPart(event: PartialRunEvent, state: StepPart["state"]): StepPart {
  return { type: "step", ...told(event, STEP), state, durationMs: null, parts: [] };
}

function finishStep(parts: readonly Part[], event: Event<"flow_step_complete">): readonly Part[] {
  const at = parts.findLastIndex((part) => part.type === "step" && part.step === event.step && part.state === "running");
  const step = (parts[at] as StepPart | undefined) ?? stepPart(event, "running");
  const finished: StepPart = { ...step, state: event.ok ? "ok" : "failed", durationMs: event.durationMs ?? null };
  return at < 0 ? [...parts, finished] : parts.with(at, finished);
}
