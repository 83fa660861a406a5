import type { Metric, Op, Rule } from "./model";

/** A rule in its form, with numbers as typed. */
export interface RuleDraft {
  readonly name: string;
  readonly metric: Metric;
  readonly op: Op;
  readonly threshold: string;
  readonly resolveThreshold: string;
  /** In seconds. */
  readonly window: string;
  readonly agentIds: string;
  readonly enabled: boolean;
}

const NEW: RuleDraft = {
  name: "",
  metric: "error_rate",
  op: "gt",
  threshold: "0.2",
  resolveThreshold: "",
  window: "300",
  agentIds: "",
  enabled: true,
};

export function draftOf(rule: Rule | null): RuleDraft {
  if (!rule) return NEW;
  const { name, metric, op, enabled } = rule;
  return {
    ...{ name, metric, op, enabled },
    threshold: String(rule.threshold),
    resolveThreshold: String(rule.resolveThreshold ?? ""),
    window: String(rule.window / 1000),
    agentIds: rule.agentIds.join(", "),
  };
}

/** Returns the body for the API. */
export function settingsOf(draft: RuleDraft) {
  const { threshold, resolveThreshold, window, agentIds, ...plain } = draft;
  return {
    ...plain,
    threshold: Number(threshold),
    resolveThreshold: resolveThreshold.trim() === "" ? null : Number(resolveThreshold),
    window: Math.round(Number(window) * 1000),
    agentIds: agentIds.split(",").map((id) => id.trim()).filter(Boolean),
  };
}
