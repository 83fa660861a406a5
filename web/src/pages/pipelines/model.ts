import type { Millrace, Schemas } from "@millrace/client";
import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useApi } from "../../app/context";
import type { JsonSchema } from "../../ui/json/schema";

export type Pipeline = Schemas["Pipeline"];
export type MetricsSeries = Schemas["MetricsSeries"];
export type MetricsPoint = Schemas["MetricsPoint"];
export type DryRun = Schemas["DryRun"];
export type Definition = Readonly<Record<string, unknown>>;

export interface Part {
  readonly type: string;
  readonly name?: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

export const NEW = "+new";
const REFRESH_MS = 5000;

/** The query key of a pipeline's data, all of which are invalidated when a command changes it. */
export function pipelineKey(id: string, ...more: unknown[]): readonly unknown[] {
  return ["pipelines", id, ...more];
}

type Load<Result> = (pipelines: Millrace["streaming"], options: { readonly signal: AbortSignal }) => Promise<Result>;

/** Named data of a pipeline, refreshed periodically. */
export function usePipelineQuery<Result>(
  id: string,
  name: string,
  load: Load<Result>,
  refetchInterval: number | false = REFRESH_MS,
): UseQueryResult<Result> {
  const { streaming } = useApi();
  return useQuery({
    queryKey: pipelineKey(id, name),
    queryFn: ({ signal }) => load(streaming, { signal }),
    refetchInterval,
  });
}

export function useSchema(): JsonSchema | undefined {
  const api = useApi();
  const { data } = useQuery({
    queryKey: ["pipelines-schema"],
    queryFn: ({ signal }) => api.streaming.getSchema({ signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data;
}

export function useSeries(id: string, minutes: number, step: number, refreshMs = REFRESH_MS): UseQueryResult<MetricsSeries> {
  const api = useApi();
  return useQuery({
    queryKey: pipelineKey(id, "series", minutes, step),
    queryFn: ({ signal }) => {
      const from = new Date(Date.now() - minutes * 60_000).toISOString();
      return api.streaming.getMetricsSeries(id, { from, step, signal });
    },
    // A long period is expensive for the server to read, and changes slowly.
    refetchInterval: Math.max(refreshMs, step * 100),
    placeholderData: (before) => before,
  });
}

export function transformsOf(pipeline: Definition): readonly Part[] {
  return (pipeline["transforms"] ?? []) as readonly Part[];
}

export function destinationsOf(pipeline: Definition): readonly Part[] {
  const several = pipeline["destinations"] ?? [pipeline["destination"]];
  return (several as readonly (Part | undefined)[]).filter((one) => one !== undefined);
}

const READ_ONLY = new Set(["id", "state", "version", "createdAt", "updatedAt", "stateSince", "warnings"]);

/** The definition as its author wrote it, without the fields of the server. */
export function definitionOf(pipeline: Pipeline): Definition {
  return Object.fromEntries(Object.entries(pipeline).filter(([name]) => !READ_ONLY.has(name)));
}

/** A part's kind with its provider or channel: "analytics: mixpanel". */
export function titleOf({ type, name, config }: Part): string {
  const kind = config?.["provider"] ?? config?.["channel"] ?? config?.["operation"];
  return name ?? (typeof kind === "string" ? `${type}: ${kind}` : type.replaceAll("_", " "));
}

/** Describes a step or destination in words. */
export function detailOf({ type, config = {} }: Part): string {
  const text = (name: string) => (typeof config[name] === "string" || typeof config[name] === "number" ? String(config[name]) : "");
  switch (type) {
    case "filter":
      return [text("field"), text("operator"), JSON.stringify(config["value"])].filter(Boolean).join(" ");
    case "map":
      return Object.keys((config["expression"] as object | undefined) ?? {}).join(", ");
    case "window":
      return [text("type"), text("size") && `${text("size")} ms`].filter(Boolean).join(", ");
    default:
      return text("url") || text("table") || text("field") || text("key") || (text("size") && `of ${text("size")}`);
  }
}
