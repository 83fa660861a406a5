import { type ReactNode, useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useIsDark } from "../app/theme";
import type { ChartProps, ChartSeries } from "./Chart";
import "./chart.css";
import { formatCompact } from "./format";

type PlotProps = ChartProps & { readonly height: number };

/** The plot of `Chart`, in a file that is loaded on demand. */
export default function Plot(props: PlotProps): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const isDark = useIsDark();
  const shape = JSON.stringify([props.series.map(({ label, tone }) => [label, tone]), props.lines, props.height]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(optionsOf(props, element), dataOf(props), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: props.height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
    // The plot is created again when its shape or colors change. Its data are set below.
  }, [shape, isDark]);
  useEffect(() => {
    if (!plot.current) return;
    plot.current.setData(dataOf(props));
    showLatest(plot.current);
  }, [props.times, props.series, props.lines]);
  return <div ref={box} className="plot" role="img" aria-label={summaryOf(props)} />;
}

/** The legend shows the latest values unless the pointer selects others. */
function showLatest(plot: uPlot): void {
  const last = plot.data[0].length - 1;
  if ((plot.cursor.idx ?? null) === null && last >= 0) plot.setLegend({ idx: last }, false);
}

function dataOf({ times, series, lines = [] }: ChartProps): uPlot.AlignedData {
  const seconds = times.map((time) => time / 1000);
  const flat = lines.map(({ value }) => times.map(() => value));
  return [seconds, ...series.map(({ values }) => [...values]), ...flat] as uPlot.AlignedData;
}

function optionsOf({ series, lines = [], format = formatCompact, height }: PlotProps, element: HTMLElement): uPlot.Options {
  const color = (name: string) => getComputedStyle(element).getPropertyValue(`--${name}-now`) || "#888";
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const value = (_: uPlot, raw: number | null) => (raw === null ? "–" : format(raw));
  return {
    width: element.clientWidth,
    height,
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true },
    hooks: { ready: [showLatest], setCursor: [showLatest] },
    scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
    axes: [axis, { ...axis, size: (_, labels) => widthOf(labels), values: (_, ticks) => ticks.map(format) }],
    series: [
      { value: (_, raw) => (raw === null ? "" : new Date(raw * 1000).toLocaleTimeString()) },
      ...series.map((one) => seriesOptions(one, color, value)),
      ...lines.map(({ label, tone = "danger" }) => ({ label, value, stroke: color(tone), dash: [6, 4], width: 1.5, points: { show: false } })),
    ],
  };
}

/** Returns the pixels that an axis needs for its longest label. uPlot first calls this without labels. */
function widthOf(labels: readonly string[] | null): number {
  return Math.max(56, ...(labels ?? []).map((label) => 16 + label.length * 7));
}

function seriesOptions(
  { label, tone = "accent", isFilled }: ChartSeries,
  color: (name: string) => string,
  value: (plot: uPlot, raw: number | null) => string,
): uPlot.Series {
  const stroke = color(tone);
  const points: uPlot.Series.Points = { show: true, size: 4, fill: stroke, filter: aloneIn };
  return { label, value, stroke, width: 1.75, points, ...(isFilled && { fill: `${stroke}22` }) };
}

/** Returns values without neighbors, which no line would show. */
function aloneIn(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const isKnown = (at: number) => typeof values[at] === "number";
  return [...values.keys()].filter((at) => isKnown(at) && !isKnown(at - 1) && !isKnown(at + 1));
}

/** For screen readers: the latest values, and the highest. */
function summaryOf({ title, series, format = formatCompact }: ChartProps): string {
  const latest = series.map(({ label, values }) => {
    const last = values.at(-1) ?? null;
    const known = values.filter((value) => value !== null);
    const most = known.length > 0 ? `, at most ${format(Math.max(...known))}` : "";
    return `${label} ${last === null ? "unknown" : format(last)}${most}`;
  });
  return `${title}: ${latest.join(", ")}`;
}
