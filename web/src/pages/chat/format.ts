import type { AnswerEntry } from "../../chat/state";
import { formatCost, formatDuration, formatNumber } from "../../ui/format";

export { formatDuration };

const REASONS: Record<string, string> = {
  stopped: "Stopped",
  max_tokens: "Cut off at the token limit",
  max_iterations: "Ended at the limit of iterations",
  max_seconds: "Ended at the time limit",
  max_cost: "Ended at the cost limit",
  other: "Ended for an unknown reason; the answer may be incomplete",
};
const NORMAL_REASONS = ["stop", "end_turn", "completed"];

/** The facts under a finished answer. A cost that is not known is left out, never shown as nothing. */
export function footnotes(answer: AnswerEntry): string[] {
  const { finishReason, usage, cost, durationMs } = answer;
  const isNormal = finishReason === null || NORMAL_REASONS.includes(finishReason);
  return [
    ...(isNormal ? [] : [REASONS[finishReason] ?? `Ended: ${finishReason.replaceAll("_", " ")}`]),
    ...(usage ? [`${usage.estimated ? "about " : ""}${formatNumber(usage.total)} tokens`] : []),
    ...(cost === null ? [] : [formatCost(cost)]),
    ...(durationMs === null ? [] : [formatDuration(durationMs)]),
  ];
}

/** What a running answer is doing, in a few words; null once text flows. */
export function activityOf(answer: AnswerEntry): string | null {
  if (answer.state !== "open") return null;
  const last = answer.steps.at(-1);
  if (answer.status) return answer.status;
  if (last?.kind === "tool" && last.state === "running") return `Using ${last.name}…`;
  if (answer.text) return null;
  return last ? "Thinking…" : null;
}

