import type { Usage } from "../events.js";

/** Reasoning of the model. */
export interface ThinkingPart {
  readonly type: "thinking";
  readonly text: string;
  /** The duration of a thought in the history, if it is known. */
  readonly durationMs?: number;
}

/** A piece of the answer. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** A tool call. `parts` are those of a sub-agent that the tool represents. */
export interface ToolPart {
  readonly type: "tool";
  readonly id: string;
  readonly name: string;
  /** `unknown`: the run ended without a result. */
  readonly state: "running" | "ok" | "failed" | "unknown";
  readonly arguments: unknown;
  /** The client provided this tool and runs it itself. */
  readonly client: boolean;
  readonly summary: string | null;
  /** The complete result, which only `detail=full` shows. */
  readonly result: string | null;
  readonly durationMs: number | null;
  readonly parts: readonly Part[];
}

/** A live message, at the position where the agent read it. */
export interface MessagePart {
  readonly type: "message";
  readonly messageId: string;
  readonly content: string;
}

/** A call that waits or waited for a person. */
export interface ApprovalPart {
  readonly type: "approval";
  readonly callId: string;
  readonly kind: string;
  /** Null if the agent does not show its tools. */
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

/** A step of a flow. `parts` are those of its agent or tool. */
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

/** The state of a run. What no event has reported is null. */
export interface RunState {
  readonly runId: string | null;
  readonly conversationId: string | null;
  /** The id of the answer. */
  readonly messageId: string | null;
  readonly agentId: string | null;
  /** `submitted`: no event yet. `waiting`: for answers of people. `done`: ended, except by an error. */
  readonly status: "submitted" | "streaming" | "waiting" | "done" | "error";
  /** The latest status message, until the agent says something. */
  readonly activity: string | null;
  /** The parts of the run, in order. */
  readonly parts: readonly Part[];
  readonly finishReason: string | null;
  readonly usage: Usage | null;
  /** US dollars. */
  readonly cost: number | null;
  readonly durationMs: number | null;
  /** The answer as JSON, if the request or agent has a schema. */
  readonly output: unknown;
  /** The result of a flow. */
  readonly result: unknown;
  readonly error: RunFailure | null;
}

/** The fields that a run's start sets. */
export const BEGINNING = {
  runId: null as string | null,
  conversationId: null as string | null,
  messageId: null as string | null,
  agentId: null as string | null,
};

/** The fields that a run's end sets. */
export const END = {
  finishReason: null as string | null,
  usage: null as Usage | null,
  cost: null as number | null,
  durationMs: null as number | null,
  output: null as unknown,
  result: null as unknown,
};

export const NEW_RUN: RunState = { ...BEGINNING, status: "submitted", activity: null, parts: [], ...END, error: null };

/** Returns the fields of `defaults` from the event, or their defaults if it does not have them. */
export function told<Fields extends object>(event: object, defaults: Fields): Fields {
  const fields = Object.entries(defaults).map(([name, unknown]) => [name, (event as Record<string, unknown>)[name] ?? unknown]);
  return Object.fromEntries(fields) as Fields;
}

/** Returns the answer's text: its text parts, with an empty line where something else comes between them. */
export function textOf(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.type === "text" ? part.text : [])).join("\n\n");
}
