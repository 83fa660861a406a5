import { lazy, type ReactNode, Suspense } from "react";
import { Loading } from "./states";

export interface ChartSeries {
  readonly label: string;
  /** One value per time. Unknown values are null and drawn as gaps. */
  readonly values: readonly (number | null)[];
  readonly tone?: "accent" | "muted" | "danger" | "warning" | "good";
  readonly isFilled?: boolean;
}

export interface ChartLine {
  readonly label: string;
  readonly value: number;
  readonly tone?: "danger" | "muted";
}

export interface ChartProps {
  readonly title: string;
  /** Milliseconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
  /** Thresholds across the chart. */
  readonly lines?: readonly ChartLine[];
  readonly format?: (value: number) => string;
  readonly height?: number;
}

const HEIGHT = 180;
const Plot = lazy(() => import("./Plot"));

/** Lines over time. uPlot is loaded with the first chart. */
export function Chart({ height = HEIGHT, ...props }: ChartProps): ReactNode {
  return (
    <Frame title={props.title} height={height}>
      <Suspense fallback={<Loading lines={4} />}>
        <Plot {...props} height={height} />
      </Suspense>
    </Frame>
  );
}

/** A placeholder for a chart whose values are being loaded. */
export function ChartLoading({ title, height = HEIGHT }: Pick<ChartProps, "title" | "height">): ReactNode {
  return (
    <Frame title={title} height={height}>
      <Loading lines={4} />
    </Frame>
  );
}

function Frame({ title, height, children }: { title: string; height: number; children: ReactNode }): ReactNode {
  return (
    <figure className="chart">
      <figcaption>{title}</figcaption>
      <div className="chart-room" style={{ minHeight: `calc(${height}px + var(--legend))` }}>
        {children}
      </div>
    </figure>
  );
}
