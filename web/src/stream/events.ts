/** Input, output and total tokens of one run; `estimated` where some were not told by the model's server. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly total: number;
  readonly estimated?: boolean;
}

interface EventFields {
  start: { runId: string; conversationId: string; messageId: string };
  status: { message: string; icon?: string };
  thinking: { text: string };
  token: { token: string };
  tool_call: { id: string; name: string; arguments?: unknown };
  tool_result: { id: string; name: string; ok: boolean; summary?: string; durationMs?: number | null };
  injected: { messageId: string; content: string; iteration?: number };
  approval_requested: {
    callId: string;
    kind: string;
    name?: string | null;
    arguments?: unknown;
    expiresAt: string;
    prompt?: string;
    options?: readonly string[];
    schema?: unknown;
  };
  approval_answered: { callId: string; decision: string; reason?: string | null };
  /** The run waits for people, and its stream ends for now. */
  waiting: { expiresAt: string };
  /** All that came after the event with this id is void: another process goes on from there. */
  rewind: { after: string };
  heartbeat: object;
  done: { messageId?: string; usage?: Usage; cost?: number | null; finishReason?: string; durationMs?: number };
  error: { message: string; code?: string; retryable?: boolean };
}

export type RunEvent = { [Type in keyof EventFields]: { type: Type } & EventFields[Type] }[keyof EventFields];

type FieldType = "string" | "boolean";

/** The fields without which an event of that type cannot be used. All others are optional. */
const REQUIRED: Record<keyof EventFields, Record<string, FieldType>> = {
  start: { runId: "string" },
  status: { message: "string" },
  thinking: { text: "string" },
  token: { token: "string" },
  tool_call: { id: "string", name: "string" },
  tool_result: { id: "string", name: "string", ok: "boolean" },
  injected: { messageId: "string", content: "string" },
  approval_requested: { callId: "string", kind: "string", expiresAt: "string" },
  approval_answered: { callId: "string", decision: "string" },
  waiting: { expiresAt: "string" },
  rewind: { after: "string" },
  heartbeat: {},
  done: {},
  error: { message: "string" },
};

/** The event in the `data:` of one SSE message, or null for what this page does not know (newer servers). */
export function parseRunEvent(data: string): RunEvent | null {
  const value = parseObject(data);
  const type = value?.["type"];
  if (!value || typeof type !== "string" || !Object.hasOwn(REQUIRED, type)) return null;
  const required = Object.entries(REQUIRED[type as keyof EventFields]);
  return required.every(([name, kind]) => typeof value[name] === kind) ? (value as RunEvent) : null;
}

function parseObject(data: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** An event's number in its run: its id is `<runId>.<number>`. */
export function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf(".") + 1));
}

/** A stream ends with exactly one of these. */
export function isTerminal(event: RunEvent): boolean {
  return event.type === "done" || event.type === "error";
}
