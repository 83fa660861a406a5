import { useQuery } from "@tanstack/react-query";
import { useApi } from "./context";

export interface AgentName {
  readonly id: string;
  readonly name: string;
}

/** All agents to choose from; empty if the list cannot be read. */
export function useAgentNames(): readonly AgentName[] {
  const api = useApi();
  const { data } = useQuery({
    queryKey: ["agents", "names"],
    queryFn: ({ signal }) => Array.fromAsync(api.agents.list({ limit: 100, signal })),
    staleTime: 60_000,
  });
  return data ?? [];
}
