import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { useApi } from "../../app/context";
import type { Draft } from "./draft";

export type Agent = Schemas["Agent"];
export type AgentParts = Schemas["AgentParts"];
/** An agent as its users see it: without instructions, tools and limits. */
export type AgentView = Agent | Schemas["AgentSummary"];

export const NEW = "+new";

export function useAgent(id: string) {
  const api = useApi();
  return useQuery({
    queryKey: ["agents", id],
    queryFn: ({ signal }) => api.agents.get(id, { signal }),
    // An editor is open for it, so it changes only when it is saved.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
}

export function useAgentParts(): AgentParts | undefined {
  const api = useApi();
  return useQuery({
    queryKey: ["agent-parts"],
    queryFn: ({ signal }) => api.call("GET /api/agent-parts", { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  }).data;
}

export function isWhole(agent: AgentView): agent is Agent {
  return "instructions" in agent;
}

export type ChangeDraft = (changes: Partial<Draft>) => void;
