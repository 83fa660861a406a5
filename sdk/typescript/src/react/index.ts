import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { Millrace } from "../client.js";
import type { Part } from "../run/state.js";
import { type CommandCenterOptions, CommandCenterSession, type CommandCenterState } from "./command-center.js";
import { type ConversationOptions, ConversationSession, type ConversationState } from "./conversation.js";
import { type MetricsState, PipelineMetricsSession } from "./pipeline-metrics.js";
import type { Session } from "./session.js";

export type { CommandCenterOptions, CommandCenterState } from "./command-center.js";
export type { ConversationOptions, ConversationState, Turn } from "./conversation.js";
export type { MetricsState } from "./pipeline-metrics.js";

/** Keeps a session open while the component is mounted. */
function useSession<State extends { readonly error: Error | null }>(session: Session<State>): State {
  useEffect(session.open, [session]);
  return useSyncExternalStore(session.subscribe, session.getState, session.getState);
}

export interface Conversation
  extends ConversationState,
    Pick<ConversationSession, "send" | "inject" | "stop" | "retry" | "answer"> {
  /** The parts of the agent's latest run, in order. */
  readonly parts: readonly Part[];
}

/** A conversation with an agent: its history, its current run, and all actions. */
export function useConversation(client: Millrace, { conversationId, agentId, detail }: ConversationOptions): Conversation {
  const session = useMemo(
    () => new ConversationSession(client, { conversationId, agentId, detail }),
    [client, conversationId, agentId, detail],
  );
  const state = useSession(session);
  const { send, inject, stop, retry, answer } = session;
  const status = state.error ? "error" : state.status;
  return { ...state, status, parts: state.turns.at(-1)?.run.parts ?? [], send, inject, stop, retry, answer };
}

/** The current runs and alerts of the organization. */
export function useCommandCenter(client: Millrace, options: CommandCenterOptions = {}): CommandCenterState {
  const key = JSON.stringify(options);
  // Compare the filter's content, not the identity of the object.
  const session = useMemo(() => new CommandCenterSession(client, JSON.parse(key) as CommandCenterOptions), [client, key]);
  return useSession(session);
}

/** The metrics of a pipeline, requested every few seconds while the page is visible. */
export function usePipelineMetrics(client: Millrace, pipelineId: string, { everyMs = 5000 } = {}): MetricsState {
  const session = useMemo(() => new PipelineMetricsSession(client, pipelineId, everyMs), [client, pipelineId, everyMs]);
  return useSession(session);
}
