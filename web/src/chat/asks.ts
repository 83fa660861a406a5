import type { PartialRunEvent as RunEvent, Schemas } from "@millrace/client";

type Approval = Schemas["WaitingCall"];
export type ApprovalAnswer = Schemas["AnswerCall"];

/** A call that waits for a person or has been answered, shown in the answer of its run. */
export interface Ask {
  readonly callId: string;
  readonly kind: string;
  /** Null if the agent does not show its tools. */
  readonly name: string | null;
  readonly arguments: unknown;
  readonly prompt: string | null;
  readonly options: readonly string[];
  /** The answer must be JSON that matches it; null if the answer is text. */
  readonly schema: unknown;
  readonly expiresAt: string;
  /** `sending`: this page is sending an answer. */
  readonly state: "waiting" | "sending" | "answered";
  /** Null until the server has said whether this user may answer. */
  readonly canAnswer: boolean | null;
  readonly decision: string | null;
  readonly reason: string | null;
  /** Why an answer of this page was refused. */
  readonly note: string | null;
}

type Event<Type extends RunEvent["type"]> = Extract<RunEvent, { type: Type }>;

export function addAsk(asks: readonly Ask[], event: Event<"approval_requested">): readonly Ask[] {
  if (asks.some((ask) => ask.callId === event.callId)) return asks;
  const ask: Ask = {
    callId: event.callId,
    kind: event.kind,
    name: event.name ?? null,
    arguments: event.arguments,
    prompt: event.prompt ?? null,
    options: event.options ?? [],
    schema: event.schema ?? null,
    expiresAt: event.expiresAt,
    state: "waiting",
    canAnswer: null,
    decision: null,
    reason: null,
    note: null,
  };
  return [...asks, ask];
}

export function answerAsk(asks: readonly Ask[], event: Event<"approval_answered">): readonly Ask[] {
  const { callId, decision, reason } = event;
  return changeAsk(asks, callId, { state: "answered", decision, reason: reason ?? null, note: null });
}

export function changeAsk(asks: readonly Ask[], callId: string, change: Partial<Ask>): readonly Ask[] {
  return asks.map((ask) => (ask.callId === callId ? { ...ask, ...change } : ask));
}

/** Details of waiting calls for those who may answer, which are more than the stream may show. */
export function completeAsks(asks: readonly Ask[], approvals: readonly Approval[]): readonly Ask[] {
  const known = asks.map((ask) => {
    const found = approvals.find((approval) => approval.callId === ask.callId);
    return found && ask.state !== "answered" ? { ...ask, ...fromApproval(found), state: ask.state } : ask;
  });
  const missing = approvals.filter((approval) => !asks.some((ask) => ask.callId === approval.callId));
  return [...known, ...missing.map((approval) => ({ ...fromApproval(approval), note: null }))];
}

function fromApproval(approval: Approval): Omit<Ask, "note"> {
  return {
    callId: approval.callId,
    kind: approval.kind,
    name: approval.name,
    arguments: approval.arguments,
    prompt: approval.prompt,
    options: approval.options,
    schema: approval.schema,
    expiresAt: approval.expiresAt,
    state: "waiting",
    canAnswer: approval.canAnswer,
    decision: null,
    reason: null,
  };
}

/** Parses a typed answer to a question. Throws SyntaxError if it must be JSON and is not. */
export function contentOf(ask: Ask, text: string): unknown {
  return ask.schema === null ? text : JSON.parse(text);
}

/** The words for a decision. */
export function decisionText(ask: Pick<Ask, "decision" | "reason">): string {
  if (ask.decision === "approve") return "Approved";
  if (ask.decision === "answer") return "Answered";
  return ask.reason === "expired" ? "Not answered in time" : "Rejected";
}
