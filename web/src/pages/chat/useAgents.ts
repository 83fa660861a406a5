import { useEffect, useState } from "react";
import type { Millrace } from "@millrace/client";

/** What a chat needs to know of an agent. */
export interface AgentChoice {
  readonly id: string;
  readonly name: string;
  readonly model?: string;
  readonly description?: string;
  /** Suggestions for the first message. */
  readonly starters?: readonly string[];
}

const RETRY_MS = 3000;

/** All agents to choose from. The request is repeated until it succeeds, since a new conversation needs an agent. */
export function useAgents(api: Millrace): readonly AgentChoice[] {
  const [agents, setAgents] = useState<readonly AgentChoice[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const load = () => {
      Array.fromAsync(api.agents.list({ limit: 100 })).then(
        (found) => isOver || setAgents(found),
        () => isOver || (timer = setTimeout(load, RETRY_MS)),
      );
    };
    load();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [api]);
  return agents;
}
