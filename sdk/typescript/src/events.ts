import type { Schemas } from "./schemas.js";

/** Input, output and total tokens of one run; `estimated` where the model's server did not tell some of them. */
export type Usage = Schemas["TokenUsage"];

/** An event on the stream of a run, discriminated by `type`. */
export type RunEvent = Exclude<Schemas["RunEvent"], { type: "heartbeat" }>;

type EventType = RunEvent["type"];
type EventOf<Type extends EventType> = Extract<RunEvent, { type: Type }>;

/** The fields without which an event of that type cannot be used: strings, but for `ok`. */
const NEEDED = {
  start: "runId",
  status: "message",
  thinking: "text",
  token: "token",
  tool_call: "id name",
  tool_output: "id output",
  tool_result: "id name ok",
  injected: "messageId content",
  approval_requested: "callId kind expiresAt",
  approval_answered: "callId decision",
  waiting: "expiresAt",
  rewind: "after",
  flow_step_start: "step name",
  flow_step_complete: "step name ok",
  flow_step_skipped: "step name",
  done: "type",
  error: "message",
} as const satisfies Record<EventType, string>;

type WordsOf<Text extends string> = Text extends `${infer Word} ${infer Rest}` ? Word | WordsOf<Rest> : Text;
type Lenient<Event, Field> = Pick<Event, keyof Event & (Field | "type")> & Partial<Event>;

/**
 * A run's event of which only the needed fields are there: from an older server, or made from a stored message.
 * Every `RunEvent` is one.
 */
export type PartialRunEvent = { [Type in EventType]: Lenient<EventOf<Type>, WordsOf<(typeof NEEDED)[Type]>> }[EventType];

/** The event in the `data:` of one SSE message, or null for what this version does not know or cannot use. */
export function parseRunEvent(data: string): RunEvent | null {
  const event = parseEvent<RunEvent & Record<string, unknown>>(data);
  if (!event || !Object.hasOwn(NEEDED, event.type)) return null;
  const isUsable = NEEDED[event.type].split(" ").every((name) => typeof event[name] === (name === "ok" ? "boolean" : "string"));
  return isUsable ? event : null;
}

/** Any JSON object that has a `type`, or null. */
export function parseEvent<Event extends { type: string }>(data: string): Event | null {
  try {
    const event = JSON.parse(data) as Event | null;
    return typeof event?.type === "string" ? event : null;
  } catch {
    return null;
  }
}

/** An event's number in its run: its id is `<runId>.<number>`. */
export function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf(".") + 1));
}

/** The run of an event's id; empty for the ids of streams that belong to no run. */
export function runIdOf(id: string): string {
  return id.slice(0, Math.max(0, id.lastIndexOf(".")));
}

/** Whether the run has ended: each ends with exactly one of these. The end of a sub-agent is not the run's. */
export function isTerminal(event: PartialRunEvent): boolean {
  return (event.type === "done" || event.type === "error") && !("parent" in event);
}
