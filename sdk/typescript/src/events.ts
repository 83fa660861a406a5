import type { Schemas } from "./schemas.js";

/** Input, output and total tokens of one run; `estimated` if the model's server did not report all of them. */
export type Usage = Schemas["TokenUsage"];

/** An event on the stream of a run, discriminated by `type`. */
export type RunEvent = Exclude<Schemas["RunEvent"], { type: "heartbeat" }>;

type EventType = RunEvent["type"];
type EventOf<Type extends EventType> = Extract<RunEvent, { type: Type }>;

/** The fields without which an event of that type cannot be used: strings, except `ok`. */
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
 * A run's event with only the required fields, from an older server or created from a stored message.
 * Every `RunEvent` is one.
 */
export type PartialRunEvent = { [Type in EventType]: Lenient<EventOf<Type>, WordsOf<(typeof NEEDED)[Type]>> }[EventType];

/** Parses the `data:` of an SSE message. Returns null if this version does not know the event or cannot use it. */
export function parseRunEvent(data: string): RunEvent | null {
  const event = parseEvent<RunEvent & Record<string, unknown>>(data);
  if (!event || !Object.hasOwn(NEEDED, event.type)) return null;
  const isUsable = NEEDED[event.type].split(" ").every((name) => typeof event[name] === (name === "ok" ? "boolean" : "string"));
  return isUsable ? event : null;
}

/** Parses a JSON object that has a `type`; null for anything else. */
export function parseEvent<Event extends { type: string }>(data: string): Event | null {
  try {
    const event = JSON.parse(data) as Event | null;
    return typeof event?.type === "string" ? event : null;
  } catch {
    return null;
  }
}

/** The event's number in its run, from its id `<runId>.<number>`. */
export function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf(".") + 1));
}

/** The run in an event's id; empty for ids of streams that belong to no run. */
export function runIdOf(id: string): string {
  return id.slice(0, Math.max(0, id.lastIndexOf(".")));
}

/** Whether the event ends the run, which has exactly one such event. The end of a sub-agent is not the run's. */
export function isTerminal(event: PartialRunEvent): boolean {
  return (event.type === "done" || event.type === "error") && !("parent" in event);
}
