import { follow, isTerminal, parseRunEvent, type Position, type RunEvent } from "@millrace/client";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { explain } from "../../api/client";
import { useApi } from "../../app/context";
import { appended, type ExecutionView, type Received, viewOf } from "./execution";
import { flowPath } from "./model";

export interface FlowInput {
  readonly input?: unknown;
  readonly executionId?: string;
  readonly step?: string;
  readonly decision?: "answer" | "approve" | "reject";
  readonly reason?: string;
}

export interface LiveExecution {
  /** Null before there is one. */
  readonly view: ExecutionView | null;
  readonly executionId: string | null;
  /** Why its events cannot be followed. */
  readonly problem: string | null;
  /** Begins an execution, or answers the step that waits. */
  readonly send: (input: FlowInput) => void;
  /** Shows one that was begun before. */
  readonly watch: (executionId: string, runId: string) => void;
}

/** Whatever was received, and of which execution. */
interface Shown {
  readonly log: readonly Received[];
  readonly executionId: string | null;
}

const NOTHING: Shown = { log: [], executionId: null };

/** One execution of a flow, followed over as many connections as it takes. */
export function useExecution(name: string, onChange: () => void): LiveExecution {
  const api = useApi();
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const current = useRef<AbortController | null>(null);
  const changed = useRef(onChange);
  changed.current = onChange;
  useEffect(() => () => current.current?.abort(), []);

  const run = useCallback(async (open: Open, position?: Position) => {
    current.current?.abort();
    const { signal } = (current.current = new AbortController());
    setProblem(null);
    try {
      const events = follow<RunEvent>({ open, signal, parse: parseRunEvent, isLast: endsForNow, ...(position && { position }) });
      for await (const received of events) setShown((before) => grown(before ?? NOTHING, received));
    } catch (error) {
      if (!signal.aborted) setProblem(explain(error));
    }
    if (!signal.aborted) changed.current();
  }, []);

  const send = useCallback(
    (input: FlowInput) => {
      const key = crypto.randomUUID();
      if (input.executionId === undefined) setShown(NOTHING);
      void run(({ runId, lastEventId }, signal) =>
        runId && lastEventId
          ? api.stream(runPath(runId), lastEventId, signal)
          : api.sendForStream(`${flowPath(name)}/events`, input, key, signal),
      );
    },
    [api, name, run],
  );
  const watch = useCallback(
    (executionId: string, runId: string) => {
      setShown({ ...NOTHING, executionId });
      const position: Position = { runId, lastEventId: null };
      void run(({ lastEventId }, signal) => api.stream(runPath(runId), lastEventId, signal), position);
    },
    [api, run],
  );
  const view = useMemo(() => shown && viewOf(shown.log), [shown]);
  return { view, executionId: shown?.executionId ?? null, problem, send, watch };
}

type Open = (position: Position, signal: AbortSignal) => Promise<Response>;

function grown({ log, executionId }: Shown, received: Received): Shown {
  const { event } = received;
  const told = event.type === "start" ? event.conversationId : null;
  return { log: appended(log, received), executionId: told ?? executionId };
}

/** What waits goes on with an answer, which is a request of its own. */
function endsForNow(event: RunEvent): boolean {
  return isTerminal(event) || event.type === "waiting";
}

function runPath(runId: string): string {
  return `/api/runs/${encodeURIComponent(runId)}/stream`;
}
