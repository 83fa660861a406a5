import type { Part } from "@millrace/client";
import type { AnswerEntry } from "../../chat/state";
import { formatCost, formatDuration, formatNumber } from "../../ui/format";

export { formatDuration };

const REASONS: Record<string, string> = {
  stopped: "Stopped",
  max_tokens: "Cut off at the token limit",
  max_iterations: "Ended at the iteration limit",
  max_seconds: "Ended at the time limit",
  max_cost: "Ended at the cost limit",
  other: "Ended for an unknown reason; the answer may be incomplete",
};
const NORMAL_REASONS = ["stop", "end_turn", "completed"];

/** The facts below a finished answer. An unknown cost is omitted, never shown as 0. */
export function footnotes(answer: AnswerEntry): string[] {
  const { finishReason, usage, cost, durationMs, firstTokenMs } = answer;
  const isNormal = finishReason === null || NORMAL_REASONS.includes(finishReason);
  return [
    ...(isNormal ? [] : [REASONS[finishReason] ?? `Ended: ${finishReason.replaceAll("_", " ")}`]),
    ...(usage ? [`${usage.estimated ? "about " : ""}${formatNumber(usage.total)} tokens`] : []),
    ...(cost === null ? [] : [formatCost(cost)]),
    ...(firstTokenMs === null ? [] : [`first token ${formatDuration(firstTokenMs)}`]),
    ...(durationMs === null ? [] : [formatDuration(durationMs)]),
  ];
}

/** Groups the parts of an answer in order: texts and questions by themselves, and the steps between them together. */
export function groupsOf(parts: readonly Part[]): (Part | Part[])[] {
  const groups: (Part | Part[])[] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    if (part.type === "text" || part.type === "approval") groups.push(part);
    else if (Array.isArray(last)) last.push(part);
    else groups.push([part]);
  }
  return groups;
}

/** Shorter durations are not shown, because some models return a thought in one piece. */
const LEAST_THOUGHT_MS = 100;

/** How long the agent thought, if all durations are known. */
export function thoughtFor(parts: readonly Part[]): number | null {
  const durations = parts.flatMap((part) => (part.type === "thinking" ? [part.durationMs] : []));
  const sum = durations.reduce<number>((before, one) => before + (one ?? Number.NaN), 0);
  return sum >= LEAST_THOUGHT_MS ? sum : null;
}

/** A few words about what the agent is doing; null once it writes text. */
export function activityOf(answer: AnswerEntry): string | null {
  if (answer.state !== "open") return null;
  if (answer.asks.some((ask) => ask.state !== "answered")) return null;
  if (answer.status) return answer.status;
  const tool = answer.parts.findLast((part) => part.type === "tool" && part.state === "running");
  if (tool?.type === "tool") return `Using ${tool.name}…`;
  const last = answer.parts.at(-1);
  return last && last.type !== "text" && last.type !== "approval" ? "Thinking…" : null;
}

