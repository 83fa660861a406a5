import type { ReactNode } from "react";

const WIDTH = 64;
const HEIGHT = 18;

/** A small chart next to a number that says the same; screen readers skip it. */
export function Sparkline({ values }: { values: readonly number[] }): ReactNode {
  const most = Math.max(...values, 0);
  const x = (index: number) => (index / Math.max(values.length - 1, 1)) * WIDTH;
  const y = (value: number) => HEIGHT - 1 - (most > 0 ? value / most : 0) * (HEIGHT - 2);
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <polyline points={points.join(" ")} />
    </svg>
  );
}
