import { type ReactNode, useMemo, useState } from "react";
import { Chart, type ChartSeries } from "../../ui/Chart";
import { formatCompact, formatDuration } from "../../ui/format";
import { Section } from "../../ui/Page";
import { Loaded } from "../../ui/states";
import { type MetricsPoint, useSeries } from "./model";

interface Range {
  readonly label: string;
  readonly minutes: number;
  readonly step: number;
}

const RANGES: readonly Range[] = [
  { label: "15 minutes", minutes: 15, step: 60 },
  { label: "1 hour", minutes: 60, step: 60 },
  { label: "6 hours", minutes: 360, step: 60 },
  { label: "1 day", minutes: 1440, step: 300 },
  { label: "7 days", minutes: 10_080, step: 3600 },
];

/** The pipeline's metrics over time. */
export function Charts({ id }: { id: string }): ReactNode {
  const [range, setRange] = useState(RANGES[1] as Range);
  const query = useSeries(id, range.minutes, range.step);
  return (
    <Section title="Metrics" actions={<RangePicker range={range} onPick={setRange} />}>
      <Loaded query={query}>{({ points }) => <Drawn points={points} />}</Loaded>
    </Section>
  );
}

function RangePicker({ range, onPick }: { range: Range; onPick: (range: Range) => void }): ReactNode {
  const pick = (label: string) => {
    const found = RANGES.find((one) => one.label === label);
    if (found) onPick(found);
  };
  return (
    <select className="input" aria-label="Span of time" value={range.label} onChange={(event) => pick(event.target.value)}>
      {RANGES.map(({ label }) => (
        <option key={label}>{label}</option>
      ))}
    </select>
  );
}

function Drawn({ points }: { points: readonly MetricsPoint[] }): ReactNode {
  const times = useMemo(() => points.map(({ time }) => Date.parse(time)), [points]);
  const line = (label: string, of: (point: MetricsPoint) => number | null, more: Partial<ChartSeries> = {}): ChartSeries => ({
    label,
    values: points.map(of),
    ...more,
  });
  const percent = (value: number) => `${Math.round(value * 100)}%`;
  return (
    <div className="charts">
      <Chart
        title="Events per second"
        times={times}
        series={[line("in", ({ throughput }) => throughput, { isFilled: true })]}
        format={(value) => `${formatCompact(value)}/s`}
      />
      <Chart title="Waiting" times={times} series={[line("messages", ({ queueDepth }) => queueDepth, { tone: "warning", isFilled: true })]} />
      <Chart
        title="Delivery latency"
        times={times}
        series={[
          line("p50", ({ latency }) => latency.p50),
          line("p95", ({ latency }) => latency.p95, { tone: "warning" }),
        ]}
        format={formatDuration}
      />
      <Chart
        title="Errors"
        times={times}
        series={[
          line("failed", ({ itemsFailed }) => itemsFailed, { tone: "danger", isFilled: true }),
          line("late", ({ lateEvents }) => lateEvents, { tone: "muted" }),
        ]}
      />
      <Chart title="Backpressure" times={times} series={[line("highest", ({ backpressure }) => backpressure, { tone: "danger" })]} format={percent} />
      <Chart
        title="Delivered"
        times={times}
        series={[
          line("delivered", ({ itemsDelivered }) => itemsDelivered, { tone: "good" }),
          line("filtered", ({ itemsFiltered }) => itemsFiltered, { tone: "muted" }),
        ]}
      />
    </div>
  );
}
