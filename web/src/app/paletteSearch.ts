import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { formatAge } from "../ui/format";
import { useAgentNames } from "./agentNames";
import { useApi } from "./context";
import type { Entry, Group } from "./palette";

type Run = Schemas["Run"];

const SHOWN = 20;
const STATES: readonly Run["state"][] = ["queued", "running", "waiting", "completed", "failed", "stopped"];
/** Shorter ones are words. */
const LEAST_ID = 12;

/** Results of the server for the typed text: conversations, runs, agents and pipelines. */
export function useFound(search: string): readonly Group[] {
  const api = useApi();
  const q = search.trim() || null;
  const conversations = useEntries("Conversations", q, (options) => api.conversations.list(options), ({ id, title }) => ({
    id,
    label: title || "Untitled",
    icon: "chat",
    to: { to: "/chat/$conversationId", params: { conversationId: id } },
  }));
  const agents = useEntries("Agents", q, (options) => api.agents.list(options), ({ id, name }) => ({
    id,
    label: name,
    icon: "agents",
    to: { to: "/agents/$agentId", params: { agentId: id } },
  }));
  const pipelines = useEntries("Pipelines", q, (options) => api.streaming.listPipelines(options), ({ id, name }) => ({
    id,
    label: name,
    icon: "pipelines",
    to: { to: "/pipelines/$pipelineId", params: { pipelineId: id } },
  }));
  return [conversations, useRuns(search), agents, pipelines];
}

interface Options {
  readonly q: string | null;
  readonly limit: number;
  readonly signal: AbortSignal;
}

/** If the user may not read a list, its group is empty. */
function useEntries<Item>(
  heading: string,
  q: string | null,
  load: (options: Options) => Promise<{ readonly items: readonly Item[] }>,
  entryOf: (item: Item) => Entry,
): Group {
  const { data } = useQuery({
    queryKey: ["palette", heading, q],
    queryFn: ({ signal }) => load({ q, limit: SHOWN, signal }),
    staleTime: 10_000,
    placeholderData: (before) => before,
  });
  return { heading, entries: (data?.items ?? []).map(entryOf) };
}

/** The latest runs with the typed agent and state, and the run with the typed id. */
function useRuns(search: string): Group {
  const api = useApi();
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const state = STATES.find((one) => words.includes(one)) ?? null;
  const agentId = useAgentNames().find(({ id, name }) => words.includes(id.toLowerCase()) || isNamed(name, search))?.id ?? null;
  const { data } = useQuery({
    queryKey: ["palette", "runs", state, agentId],
    queryFn: ({ signal }) => api.runs.list({ state, agentId, limit: SHOWN, signal }),
    staleTime: 10_000,
    placeholderData: (before) => before,
  });
  const id = search.trim();
  const named = useQuery({
    queryKey: ["palette", "run", id],
    queryFn: ({ signal }) => api.runs.get(id, { signal }),
    enabled: id.length >= LEAST_ID && !/\s/.test(id),
    staleTime: 10_000,
  });
  const listed = data?.items ?? [];
  const runs = named.data && !listed.some((run) => run.id === named.data.id) ? [named.data, ...listed] : listed;
  return { heading: "Runs", entries: runs.map(entryOfRun) };
}

function isNamed(name: string, search: string): boolean {
  return name !== "" && search.toLowerCase().includes(name.toLowerCase());
}

function entryOfRun({ id, agentId, agentName, state, startedAt, conversationId }: Run): Entry {
  return {
    id,
    label: `${agentName || agentId}, ${state}, ${formatAge(startedAt)}`,
    icon: "runs",
    words: `run ${id} ${agentId} ${conversationId}`,
    to: { to: "/runs/$runId", params: { runId: id } },
  };
}
