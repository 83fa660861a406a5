import type { PartialRunEvent as RunEvent } from "@millrace/client";
import { addAsk, answerAsk } from "./asks";
import type { AnswerEntry, Failure, Step } from "./state";

/** The answer after one more event of its run. */
export function extendAnswer(answer: AnswerEntry, event: RunEvent): AnswerEntry {
  switch (event.type) {
    case "status":
      return { ...answer, status: event.message };
    case "thinking":
      return { ...answer, steps: addThinking(answer.steps, event.text) };
    case "token":
      return addToken(answer, event.token);
    case "tool_call":
      return { ...answer, steps: [...answer.steps, startedTool(event)] };
    case "tool_result":
      return { ...answer, steps: finishTool(answer.steps, event) };
    case "approval_requested":
      return { ...answer, status: null, asks: addAsk(answer.asks, event) };
    case "approval_answered":
      return { ...answer, asks: answerAsk(answer.asks, event) };
    case "done":
      return finishAnswer(answer, event);
    case "error":
      return failAnswer(answer, { message: event.message, code: event.code ?? null });
    default:
      return answer;
  }
}

export function failAnswer(answer: AnswerEntry, failure: Failure): AnswerEntry {
  return { ...answer, steps: settleSteps(answer.steps), state: "failed", status: null, failure };
}

/** Nothing runs on after the end of a run, whatever result is missing. */
export function settleSteps(steps: readonly Step[]): readonly Step[] {
  return steps.map((step) =>
    step.kind === "tool" && step.state === "running" ? { ...step, state: "unknown" } : step,
  );
}

/** Text after a tool's step is a new paragraph: models do not send the break. */
function addToken(answer: AnswerEntry, token: string): AnswerEntry {
  const tools = answer.steps.filter((step) => step.kind === "tool").length;
  const gap = answer.text && tools > answer.toolsAtText ? "\n\n" : "";
  return { ...answer, status: null, text: answer.text + gap + token, toolsAtText: tools };
}

function addThinking(steps: readonly Step[], text: string): readonly Step[] {
  const last = steps.at(-1);
  if (last?.kind !== "thinking") return [...steps, { kind: "thinking", text }];
  return [...steps.slice(0, -1), { kind: "thinking", text: last.text + text }];
}

type Event<Type extends RunEvent["type"]> = Extract<RunEvent, { type: Type }>;

function startedTool(event: Event<"tool_call">): Step {
  return { kind: "tool", id: event.id, name: event.name, state: "running", arguments: event.arguments };
}

/** A result without its call (the call was in an earlier part of the run) becomes a step of its own. */
function finishTool(steps: readonly Step[], event: Event<"tool_result">): readonly Step[] {
  const result = {
    state: event.ok ? ("ok" as const) : ("failed" as const),
    ...(event.summary !== undefined && { summary: event.summary }),
    ...(typeof event.durationMs === "number" && { durationMs: event.durationMs }),
  };
  const isCall = (step: Step) => step.kind === "tool" && step.id === event.id && step.state === "running";
  if (!steps.some(isCall)) return [...steps, { kind: "tool", id: event.id, name: event.name, ...result }];
  return steps.map((step) => (isCall(step) ? { ...step, ...result } : step));
}

function finishAnswer(answer: AnswerEntry, event: Event<"done">): AnswerEntry {
  return {
    ...answer,
    steps: settleSteps(answer.steps),
    state: "done",
    status: null,
    finishReason: event.finishReason ?? null,
    usage: event.usage ?? null,
    cost: event.cost ?? null,
    durationMs: event.durationMs ?? null,
  };
}
