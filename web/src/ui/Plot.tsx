import { type ReactNode, useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useIsDark } from "../app/theme";
import type { ChartProps, ChartSeries } from "./Chart";
import "./chart.css";
import { formatCompact } from "./format";

const HEIGHT = 180;

/** The drawing of `Chart`, in a file that is loaded when needed. */
export default function Plot(props: ChartProps): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const isDark = useIsDark();
  const shape = JSON.stringify([props.series.map(({ label, tone }) => [label, tone]), props.lines, props.height]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(optionsOf(props, element), dataOf(props), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: props.height ?? HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
    // A plot is made anew when its shape or its colors change; its data are set below.
  }, [shape, isDark]);
  useEffect(() => plot.current?.setData(dataOf(props)), [props.times, props.series, props.lines]);
  return <div ref={box} className="plot" role="img" aria-label={summaryOf(props)} />;
}

function dataOf({ times, series, lines = [] }: ChartProps): uPlot.AlignedData {
  const seconds = times.map((time) => time / 1000);
  const flat = lines.map(({ value }) => times.map(() => value));
  return [seconds, ...series.map(({ values }) => [...values]), ...flat] as uPlot.AlignedData;
}

function optionsOf({ series, lines = [], format = formatCompact, height = HEIGHT }: ChartProps, element: HTMLElement): uPlot.Options {
  const color = (name: string) => getComputedStyle(element).getPropertyValue(`--${name}-now`) || "#888";
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const value = (_: uPlot, raw: number | null) => (raw === null ? "–" : format(raw));
  return {
    width: element.clientWidth,
    height,
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
    axes: [axis, { ...axis, size: 56, values: (_, ticks) => ticks.map(format) }],
    series: [
      { value: (_, raw) => (raw === null ? "" : new Date(raw * 1000).toLocaleTimeString()) },
      ...series.map((one) => seriesOptions(one, color, value)),
      ...lines.map(({ label }) => ({ label, value, stroke: color("danger"), dash: [6, 4], width: 1.5, points: { show: false } })),
    ],
  };
}

function seriesOptions(
  { label, tone = "accent", isFilled }: ChartSeries,
  color: (name: string) => string,
  value: (plot: uPlot, raw: number | null) => string,
): uPlot.Series {
  const stroke = color(tone);
  return { label, value, stroke, width: 1.75, ...(isFilled && { fill: `${stroke}22` }) };
}

/** For screen readers: the latest values. */
function summaryOf({ title, series, format = formatCompact }: ChartProps): string {
  const latest = series.map(({ label, values }) => {
    const last = values.at(-1) ?? null;
    return `${label} ${last === null ? "unknown" : format(last)}`;
  });
  return `${title}: ${latest.join(", ")}`;
}
