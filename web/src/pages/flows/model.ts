import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { useApi } from "../../app/context";
import type { JsonSchema } from "../../ui/json/schema";

export type Flow = Schemas["Flow"];
export type FlowView = Flow | Schemas["FlowSummary"];
export type FlowStep = Flow["steps"][number];
export type Execution = Schemas["FlowExecution"];
export type ExecutionSummary = Schemas["FlowExecutionSummary"];

export const NEW = "+new";

export function isWhole(flow: FlowView): flow is Flow {
  return "steps" in flow;
}

export function useFlow(name: string) {
  const api = useApi();
  return useQuery({
    queryKey: ["flows", name],
    queryFn: ({ signal }) => api.flows.get(name, { signal }),
    refetchInterval: 15_000,
  });
}

interface OpenApi {
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

/** The schema of a flow, from the API's description. */
export function useFlowSchema(): JsonSchema | undefined {
  const api = useApi();
  return useQuery({
    queryKey: ["flow-schema"],
    queryFn: async ({ signal }): Promise<JsonSchema> => {
      const { components } = (await api.call("GET /api/openapi.json", { signal })) as unknown as OpenApi;
      return { $ref: "#/components/schemas/NewFlow", $defs: components.schemas };
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
  }).data;
}

/** The definition as its author wrote it, without the fields of the server. */
export function definitionOf({ createdAt: _, updatedAt: __, ...definition }: Flow): object {
  return definition;
}

/** Describes a step in words. */
export function detailOf(step: FlowStep): string {
  switch (step.type) {
    case "agent":
      return step.agentId;
    case "tool":
      return step.tool;
    case "pipeline":
      return step.pipelineId ?? "inline definition";
    case "notify":
      return step.pipelineId;
    case "wait_for_input":
      return step.prompt ?? "";
    case "end":
      return step.result ?? "";
  }
}
