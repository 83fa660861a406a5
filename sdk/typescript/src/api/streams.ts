import { type RunEvent, isTerminal, parseEvent, parseRunEvent } from "../events.js";
import type { Schemas } from "../schemas.js";
import { EventStream, type StreamOptions } from "../stream/event-stream.js";
import type { FollowOptions } from "../stream/follow.js";
import { type Transport, idPath, jsonInit, queryString } from "./transport.js";

export interface ResumableOptions extends StreamOptions {
  /** The id of the last event seen; the stream continues after it. */
  readonly after?: string | null | undefined;
}

export interface RunStreamOptions extends ResumableOptions {
  /** How much of the run is shown, at most the agent's visibility. */
  readonly detail?: "answer" | "steps" | "full" | undefined;
  /** Keeps the stream open while the run waits for people, which may take days. Otherwise it ends with `waiting`. */
  readonly keepWaiting?: boolean | undefined;
}

export type CommandCenterEvent = Exclude<Schemas["CommandCenterEvent"], { type: "heartbeat" }>;
export type TaskEvent = Schemas["TaskEvent"];
export type SpeechEvent = Schemas["SpeechEvent"];

export interface CommandCenterFilter {
  readonly agentIds?: readonly string[];
  readonly runIds?: readonly string[];
  readonly eventTypes?: readonly CommandCenterEvent["type"][];
  /** The number of the last event seen, or `since` of a snapshot. By default, the stream starts now. */
  readonly since?: number | string;
}

type Begin = (signal: AbortSignal) => Promise<Response>;

const ACCEPT = { Accept: "text/event-stream" };
const FINAL_STATES = /^(completed|failed|canceled|rejected)$/;

/** Requests an event stream from a position on. */
function get(http: Transport, path: string, lastEventId: string | null, signal: AbortSignal): Promise<Response> {
  return http.send(path, { headers: { ...ACCEPT, ...(lastEventId && { "Last-Event-ID": lastEventId }) }, signal });
}

/** Sends JSON and gets an event stream. The key makes it safe to repeat the request if it was not answered. */
export function post(http: Transport, path: string, body: unknown, { detail }: RunStreamOptions): Begin {
  const init = jsonInit("POST", path, body);
  const headers = { ...init.headers, ...ACCEPT };
  return (signal) => http.send(path + queryString({ detail }), { ...init, headers, signal });
}

/** The events of a run, which `begin` starts or which is given by its id. */
export function runStream(http: Transport, run: string | Begin, options: RunStreamOptions): EventStream<RunEvent> {
  const { detail, keepWaiting, ...rest } = options;
  return new EventStream({
    ...rest,
    ready: () => http.ready(),
    runId: typeof run === "string" ? run : null,
    open: ({ runId, lastEventId }, signal) =>
      runId === null && typeof run === "function"
        ? run(signal)
        : get(http, `/api/runs/${idPath(String(runId))}/stream${queryString({ detail })}`, lastEventId, signal),
    parse: parseRunEvent,
    isLast: (event) => isTerminal(event) || (event.type === "waiting" && !keepWaiting),
    isPause: (event) => event.type === "waiting",
  });
}

/** A stream at a fixed path. */
function streamAt<Event>(http: Transport, path: string, options: Omit<FollowOptions<Event>, "open" | "signal"> & StreamOptions) {
  const open: FollowOptions<Event>["open"] = ({ lastEventId }, signal) => get(http, path, lastEventId, signal);
  return new EventStream({ ...options, ready: () => http.ready(), open });
}

/** The events of all runs of a conversation, one after the other, until it is deleted. */
export function conversationStream(
  http: Transport,
  id: string,
  { detail, threadId, ...rest }: Omit<RunStreamOptions, "keepWaiting"> & { threadId?: string },
): EventStream<RunEvent> {
  return streamAt(http, `/api/conversations/${idPath(id)}/stream${queryString({ detail, threadId })}`, {
    ...rest,
    parse: parseRunEvent,
    isLast: (event) => event.type === "error" && event.code === "deleted",
  });
}

/** The updates of a task, to its end. */
export function taskStream(http: Transport, id: string, options: ResumableOptions): EventStream<TaskEvent> {
  return streamAt(http, `/api/a2a/tasks/${idPath(id)}/stream`, {
    ...options,
    parse: parseEvent<TaskEvent>,
    isLast: ({ type, status }) => type === "statusUpdate" && FINAL_STATES.test(status ?? ""),
  });
}

/** The events of the organization's runs, until the stream is left. After `resync`, take a new snapshot. */
export function commandCenterStream(
  http: Transport,
  { agentIds, runIds, eventTypes, since, ...rest }: CommandCenterFilter & StreamOptions,
): EventStream<CommandCenterEvent> {
  return streamAt(http, `/api/command-center/stream${queryString({ agentIds, runIds, eventTypes })}`, {
    ...rest,
    after: since === undefined ? null : String(since),
    parse: parseEvent<CommandCenterEvent>,
  });
}

/** Speech with the times of its words. It cannot be resumed, and fails if its connection fails. */
export function speechStream(begin: Begin, options: StreamOptions): EventStream<SpeechEvent> {
  return new EventStream({
    ...options,
    maxAttempts: 0,
    open: (_, signal) => begin(signal),
    parse: parseEvent<SpeechEvent>,
    isLast: ({ type }) => type === "done" || type === "error",
  });
}
