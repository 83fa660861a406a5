import type { ReactNode } from "react";
import { Chart, ChartLoading, type ChartLine } from "../../ui/Chart";
import { EmptyState, Loaded } from "../../ui/states";
import { METRICS, type Rule, resolveValueOf, useMetric, type Watched } from "./model";

const HEIGHT = 150;

interface RuleChartProps {
  readonly rule: Watched & Pick<Rule, "op" | "threshold" | "resolveThreshold">;
  readonly hours: number;
}

/** A metric with the lines at which the rule triggers and resolves. */
export function RuleChart({ rule, hours }: RuleChartProps): ReactNode {
  const query = useMetric(rule, hours);
  const { label, format } = METRICS[rule.metric];
  const resolves = resolveValueOf(rule);
  const lines: ChartLine[] = [
    { label: "triggers", value: rule.threshold },
    ...(resolves === rule.threshold ? [] : [{ label: "resolves", value: resolves, tone: "muted" as const }]),
  ];
  return (
    <Loaded query={query} loading={<ChartLoading title={label} height={HEIGHT} />}>
      {({ points }) =>
        rule.metric === "stuck_run" ? (
          <Now value={points.at(-1)?.value ?? null} format={format} />
        ) : (
          <Chart
            title={label}
            times={points.map(({ time }) => Date.parse(time))}
            series={[{ label: "value", values: points.map(({ value }) => value), isFilled: true }]}
            lines={lines}
            format={format}
            height={HEIGHT}
          />
        )
      }
    </Loaded>
  );
}

function Now({ value, format }: { value: number | null; format: (value: number) => string }): ReactNode {
  if (value === null) return <EmptyState title="Nothing is running right now." />;
  return (
    <p className="now-value">
      <span className="muted">Now</span> {format(value)}
    </p>
  );
}
