import type { Usage } from "../events.js";

/** Reasoning of the model. */
export interface ThinkingPart {
  readonly type: "thinking";
  readonly text: string;
  /** Of a thought that the history tells, where it is known. */
  readonly durationMs?: number;
}

/** A piece of the answer. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** A call of a tool; `parts` is what a sub-agent behind it does. */
export interface ToolPart {
  readonly type: "tool";
  readonly id: string;
  readonly name: string;
  /** `unknown`: the run ended before a result was told. */
  readonly state: "running" | "ok" | "failed" | "unknown";
  readonly arguments: unknown;
  /** The client has brought this tool, and runs it itself. */
  readonly client: boolean;
  readonly summary: string | null;
  /** The whole result, which only `detail=full` shows. */
  readonly result: string | null;
  readonly durationMs: number | null;
  readonly parts: readonly Part[];
}

/** A live message, where the agent has read it. */
export interface MessagePart {
  readonly type: "message";
  readonly messageId: string;
  readonly content: string;
}

/** A call that waits for a person, or did. */
export interface ApprovalPart {
  readonly type: "approval";
  readonly callId: string;
  readonly kind: string;
  /** Null where the agent does not show its tools. */
  readonly name: string | null;
  readonly arguments: unknown;
  readonly prompt: string | null;
  readonly options: readonly string[];
  readonly schema: unknown;
  readonly expiresAt: string;
  readonly state: "waiting" | "answered";
  readonly decision: string | null;
  readonly answeredBy: string | null;
  readonly reason: string | null;
}

/** A step of a flow; `parts` is what its agent or tool does. */
export interface StepPart {
  readonly type: "step";
  readonly step: string;
  readonly name: string;
  readonly kind: string | null;
  readonly index: number | null;
  readonly total: number | null;
  readonly state: "running" | "ok" | "failed" | "skipped" | "unknown";
  readonly durationMs: number | null;
  readonly parts: readonly Part[];
}

export type Part = ThinkingPart | TextPart | ToolPart | MessagePart | ApprovalPart | StepPart;

export interface RunFailure {
  readonly message: string;
  readonly code: string | null;
  readonly retryable: boolean | null;
}

/** A run as its events tell it. What they have not told is null. */
export interface RunState {
  readonly runId: string | null;
  readonly conversationId: string | null;
  /** The id of the answer. */
  readonly messageId: string | null;
  readonly agentId: string | null;
  /** `submitted`: no event yet. `waiting`: for the answers of people. `done`: however it ended, but by an error. */
  readonly status: "submitted" | "streaming" | "waiting" | "done" | "error";
  /** The latest status message, until the agent speaks. */
  readonly activity: string | null;
  /** What happened, in its order. */
  readonly parts: readonly Part[];
  readonly finishReason: string | null;
  readonly usage: Usage | null;
  /** US dollars. */
  readonly cost: number | null;
  readonly durationMs: number | null;
  /** The answer as JSON, where a schema was asked for. */
  readonly output: unknown;
  /** The result of a flow. */
  readonly result: unknown;
  readonly error: RunFailure | null;
}

/** What a run's start tells. */
export const BEGINNING = {
  runId: null as string | null,
  conversationId: null as string | null,
  messageId: null as string | null,
  agentId: null as string | null,
};

/** What a run's end tells. */
export const END = {
  finishReason: null as string | null,
  usage: null as Usage | null,
  cost: null as number | null,
  durationMs: null as number | null,
  output: null as unknown,
  result: null as unknown,
};

export const NEW_RUN: RunState = { ...BEGINNING, status: "submitted", activity: null, parts: [], ...END, error: null };

/** The fields of `defaults` as the event tells them, with their defaults where it does not. */
export function told<Fields extends object>(event: object, defaults: Fields): Fields {
  const fields = Object.entries(defaults).map(([name, unknown]) => [name, (event as Record<string, unknown>)[name] ?? unknown]);
  return Object.fromEntries(fields) as Fields;
}

/** The answer's text: its own parts, with an empty line between those that something else parts. */
export function textOf(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.type === "text" ? part.text : [])).join("\n\n");
}
