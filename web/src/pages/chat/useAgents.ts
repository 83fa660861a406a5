import { useEffect, useState } from "react";
import type { Api } from "../../api/client";
import type { Agent } from "../../api/types";

const RETRY_MS = 3000;

/** All agents to choose from; asked for again until they come, since a new conversation needs one. */
export function useAgents(api: Api): readonly Agent[] {
  const [agents, setAgents] = useState<readonly Agent[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const load = () => {
      allAgents(api).then(
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

async function allAgents(api: Api): Promise<readonly Agent[]> {
  const agents: Agent[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.listAgents(cursor);
    agents.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor);
  return agents;
}
