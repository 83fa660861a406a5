import { useEffect, useState } from "react";
import type { Api } from "../../api/client";
import type { Agent } from "../../api/types";

const RETRY_MS = 3000;

/** The agents to choose from; asked for again until they come, since a new conversation needs one. */
export function useAgents(api: Api): readonly Agent[] {
  const [agents, setAgents] = useState<readonly Agent[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = () => {
      api.listAgents().then(
        (page) => setAgents(page.items),
        () => (timer = setTimeout(load, RETRY_MS)),
      );
    };
    load();
    return () => clearTimeout(timer);
  }, [api]);
  return agents;
}
