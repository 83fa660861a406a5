import { type PartialRunEvent as RunEvent, extendParts, settleParts } from "@millrace/client";
import { addAsk, answerAsk } from "./asks";
import type { AnswerEntry, Failure } from "./state";

type Event<Type extends RunEvent["type"]> = Extract<RunEvent, { type: Type }>;

/** Returns the answer after one more event of its run. */
export function extendAnswer(answer: AnswerEntry, event: RunEvent): AnswerEntry {
  switch (event.type) {
    case "status":
      return { ...answer, status: event.message };
    case "done":
      return finishAnswer(answer, event);
    case "error":
      return failAnswer(answer, { message: event.message, code: event.code ?? null });
    case "injected":
      return answer;
    default:
      return withPart(answer, event);
  }
}

function withPart(answer: AnswerEntry, event: RunEvent): AnswerEntry {
  const parts = extendParts(answer.parts, event);
  if (event.type === "approval_requested") return { ...answer, parts, status: null, asks: addAsk(answer.asks, event) };
  if (event.type === "approval_answered") return { ...answer, parts, asks: answerAsk(answer.asks, event) };
  if (parts === answer.parts) return answer;
  return { ...answer, parts, status: event.type === "token" ? null : answer.status };
}

export function failAnswer(answer: AnswerEntry, failure: Failure): AnswerEntry {
  return { ...answer, parts: settleParts(answer.parts), state: "failed", status: null, failure };
}

function finishAnswer(answer: AnswerEntry, event: Event<"done">): AnswerEntry {
  return {
    ...answer,
    parts: settleParts(answer.parts),
    messageId: event.messageId ?? answer.messageId,
    state: "done",
    status: null,
    finishReason: event.finishReason ?? null,
    usage: event.usage ?? null,
    cost: event.cost ?? null,
    durationMs: event.durationMs ?? null,
    firstTokenMs: event.firstTokenMs ?? null,
  };
}
