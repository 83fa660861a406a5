import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { useAdministration } from "../../app/context";
import { formatCompact, formatCost, formatDuration } from "../../ui/format";

/** Responses have every field; requests may omit some. */
export type Rule = Required<Schemas["AlertRuleState"]>;
export type Metric = Rule["metric"];
export type Op = Rule["op"];


interface MetricWords {
  readonly label: string;
  /** The unit of the threshold. */
  readonly unit: string;
  readonly format: (value: number) => string;
}

const percent = (value: number) => `${Number((value * 100).toFixed(1))}%`;

export const METRICS: Readonly<Record<Metric, MetricWords>> = {
  error_rate: { label: "Error rate", unit: "Share of failed runs, 0 to 1", format: percent },
  latency_p95: { label: "p95 run duration", unit: "Milliseconds", format: formatDuration },
  cost: { label: "Cost", unit: "US dollars", format: formatCost },
  tokens: { label: "Tokens", unit: "Input and output tokens", format: formatCompact },
  stuck_run: { label: "Stuck run", unit: "Seconds since its last event", format: (value) => formatDuration(value * 1000) },
  backpressure: { label: "Pipeline backpressure", unit: "0 to 1", format: percent },
};

export const OPS: Readonly<Record<Op, string>> = { gt: "above", gte: "at or above", lt: "below", lte: "at or below" };

export interface Watched {
  readonly metric: Metric;
  readonly window: number;
  readonly agentIds: readonly string[];
}

/** The metric of a stored or new rule over the last hours. */
export function useMetric({ metric, window, agentIds }: Watched, hours: number) {
  const api = useAdministration();
  return useQuery({
    queryKey: ["alert-metric", metric, window, agentIds, hours],
    queryFn: ({ signal }) => {
      const from = new Date(Date.now() - hours * 3_600_000).toISOString();
      return api.alerts.getMetric({ metric, window, agentIds: agentIds.join(",") || null, from, signal });
    },
    refetchInterval: 10_000,
    placeholderData: (before) => (before?.metric === metric ? before : undefined),
  });
}

const SPAN = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

function spanOf(ms: number): string {
  if (ms < 60_000) return `${SPAN.format(ms / 1000)} s`;
  return ms < 3_600_000 ? `${SPAN.format(ms / 60_000)} min` : `${SPAN.format(ms / 3_600_000)} h`;
}

/** "Error rate above 20% over 5 min". */
export function conditionOf({ metric, op, threshold, window }: Rule): string {
  const over = metric === "stuck_run" ? "" : ` over ${spanOf(window)}`;
  return `${METRICS[metric].label} ${OPS[op]} ${METRICS[metric].format(threshold)}${over}`;
}

/** The value at which a triggered alert is resolved, as on the server. */
export function resolveValueOf({ op, threshold, resolveThreshold }: Pick<Rule, "op" | "threshold" | "resolveThreshold">): number {
  return resolveThreshold ?? threshold * (op === "gt" || op === "gte" ? 0.9 : 1.1);
}
