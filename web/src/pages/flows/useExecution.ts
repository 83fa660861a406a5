import type { EventStream, RunEvent } from "@millrace/client";
import { withIds } from "@millrace/client/shared";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { explain } from "../../api/explain";
import { useApi } from "../../app/context";
import { appended, type ExecutionView, type Received, viewOf } from "./execution";

export interface FlowInput {
  readonly input?: unknown;
  readonly executionId?: string;
  readonly step?: string;
  readonly decision?: "answer" | "approve" | "reject";
  readonly reason?: string;
}

export interface LiveExecution {
  /** Null before the first one. */
  readonly view: ExecutionView | null;
  readonly executionId: string | null;
  /** The reason why its events cannot be followed. */
  readonly problem: string | null;
  /** Starts an execution, or answers the waiting step. */
  readonly send: (input: FlowInput) => void;
  /** Shows an earlier execution. */
  readonly watch: (executionId: string, runId: string) => void;
}

/** The received events and their execution. */
interface Shown {
  readonly log: readonly Received[];
  readonly executionId: string | null;
}

const NOTHING: Shown = { log: [], executionId: null };

/** An execution of a flow, followed over as many connections as necessary. */
export function useExecution(name: string, onChange: () => void): LiveExecution {
  const api = useApi();
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const current = useRef<AbortController | null>(null);
  const changed = useRef(onChange);
  changed.current = onChange;
  useEffect(() => () => current.current?.abort(), []);

  const run = useCallback(async (begin: Begin) => {
    current.current?.abort();
    const { signal } = (current.current = new AbortController());
    setProblem(null);
    try {
      for await (const received of withIds(await begin(signal))) setShown((before) => grown(before ?? NOTHING, received));
    } catch (error) {
      if (!signal.aborted) setProblem(explain(error));
    }
    if (!signal.aborted) changed.current();
  }, []);

  const send = useCallback(
    (input: FlowInput) => {
      const idempotencyKey = crypto.randomUUID();
      if (input.executionId === undefined) setShown(NOTHING);
      void run((signal) => api.flows.runStream(name, { ...input, idempotencyKey }, { signal }));
    },
    [api, name, run],
  );
  const watch = useCallback(
    (executionId: string, runId: string) => {
      setShown({ ...NOTHING, executionId });
      void run(async (signal) => api.runs.stream(runId, { signal }));
    },
    [api, run],
  );
  const view = useMemo(() => shown && viewOf(shown.log), [shown]);
  return { view, executionId: shown?.executionId ?? null, problem, send, watch };
}

type Begin = (signal: AbortSignal) => Promise<EventStream<RunEvent>>;

function grown({ log, executionId }: Shown, received: Received): Shown {
  const { event } = received;
  const told = event.type === "start" ? event.conversationId : null;
  return { log: appended(log, received), executionId: told ?? executionId };
}
