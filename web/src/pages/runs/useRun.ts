import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useApi } from "../../app/context";
import type { Timed } from "./timeline";

type Run = Schemas["Run"];

const OVER: readonly string[] = ["completed", "failed", "stopped"];
const POLL_MS = 1000;
const MOST_PAGES = 100;

export function isOver(run: Run | undefined): boolean {
  return run !== undefined && OVER.includes(run.state);
}

/** A run, reloaded each second until it has ended. */
export function useRun(runId: string) {
  const api = useApi();
  return useQuery({
    queryKey: ["run", runId],
    queryFn: ({ signal }) => api.runs.get(runId, { signal }),
    refetchInterval: ({ state }) => (isOver(state.data) ? false : POLL_MS),
  });
}

export function useModelCalls(runId: string, isLive: boolean) {
  const api = useApi();
  return useQuery({
    queryKey: ["run", runId, "calls", isLive],
    queryFn: ({ signal }) => api.runs.listModelCalls(runId, { signal }),
    refetchInterval: isLive ? 2 * POLL_MS : false,
  });
}

export interface RunEvents {
  readonly events: readonly Timed[];
  readonly isLoaded: boolean;
  readonly error: unknown;
}

/** All events of a run with their times, live if the run is active. */
export function useRunEvents(runId: string, isLive: boolean): RunEvents {
  const api = useApi();
  const [found, setFound] = useState<RunEvents>({ events: [], isLoaded: false, error: null });
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let cursor: string | null = null;
    let events: readonly Timed[] = [];
    const read = async () => {
      for (let pages = 0; pages < MOST_PAGES; pages += 1) {
        const query = { cursor, detail: "full", limit: 500, signal: abort.signal } as const;
        const page: Schemas["TimedEventPage"] = await api.runs.listEvents(runId, query);
        events = [...events, ...page.items.map(timed)];
        cursor = page.nextCursor ?? cursor;
        if (!page.nextCursor) break;
      }
    };
    const tick = () => {
      read()
        .then(() => setFound({ events, isLoaded: true, error: null }))
        .catch((error: unknown) => !abort.signal.aborted && setFound({ events, isLoaded: true, error }))
        .finally(() => {
          if (isLive && !abort.signal.aborted) timer = setTimeout(tick, POLL_MS);
        });
    };
    tick();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [api, runId, isLive]);
  return found;
}

function timed({ id, time, event }: Schemas["TimedEvent"]): Timed {
  return { id, at: time === null ? 0 : Date.parse(time), event: event as Timed["event"] };
}
