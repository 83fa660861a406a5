import type { Ask } from "./asks";
import { type LinkState, type Part, type Schemas, type Usage, textOf } from "@millrace/client";

/** An image or file of a message; `url` if the server does not store it. */
export type Attachment = Schemas["AttachmentBlock"];

export interface Failure {
  readonly message: string;
  readonly code: string | null;
}

/**
 * The delivery state of a user's message.
 *
 * `sent` is an ordinary message. All others are live messages: `sending` -> `accepted` (the server keeps it) -> `seen`
 * (the agent has read it) or `expired`. `queued` ones wait in this page for the end of the run.
 */
export type Delivery = "sent" | "sending" | "accepted" | "seen" | "expired" | "queued" | "failed";

export interface UserEntry {
  readonly kind: "user";
  readonly id: string;
  readonly text: string;
  readonly attachments?: readonly Attachment[];
  readonly delivery: Delivery;
  /** The server's id, once it is known. */
  readonly messageId?: string;
  /** The message that this one follows; null if it is the first. Undefined until the server has said so. */
  readonly parentId?: string | null;
  /** The ids of all messages that follow the same one, if there are several: branches of the conversation. */
  readonly siblings?: readonly string[];
  /** Why a live message failed or is queued. */
  readonly note?: string;
}

export interface AnswerEntry {
  readonly kind: "answer";
  readonly id: string;
  readonly runId: string | null;
  /** The server's id of the answer. */
  readonly messageId: string | null;
  /** The server's id of the first message of the answer, if it is known. */
  readonly firstId: string | null;
  /** The ids of the first messages of all answers to the same question, if there are several. */
  readonly siblings: readonly string[];
  /** What the agent thought, said and did, in order. */
  readonly parts: readonly Part[];
  /** Calls that wait or waited for a person. */
  readonly asks: readonly Ask[];
  /** `continued`: a live message came in between, and the run continues in the next answer. */
  readonly state: "open" | "done" | "continued" | "failed";
  readonly status: string | null;
  readonly finishReason: string | null;
  readonly usage: Usage | null;
  readonly cost: number | null;
  readonly durationMs: number | null;
  /** From the start of the run to the first token. */
  readonly firstTokenMs: number | null;
  readonly failure: Failure | null;
}

export type Entry = UserEntry | AnswerEntry;

export interface ChatState {
  readonly entries: readonly Entry[];
  /** `waiting`: the run waits for people. `missing`: the conversation does not exist, at least for this user. */
  readonly phase: "loading" | "idle" | "answering" | "waiting" | "stopping" | "unavailable" | "missing";
  readonly link: LinkState | "lost";
  readonly runId: string | null;
  /** An error that belongs to no answer, as a sentence for the user. */
  readonly notice: string | null;
}

export const EMPTY_CHAT: ChatState = { entries: [], phase: "idle", link: "open", runId: null, notice: null };

export function isRunning(state: ChatState): boolean {
  return state.phase === "answering" || state.phase === "waiting" || state.phase === "stopping";
}

/** Whether the latest answer shows what the agent thought. */
export function hasThought({ entries }: ChatState): boolean {
  const answer = entries.findLast((entry) => entry.kind === "answer");
  return answer?.kind === "answer" && answer.parts.some(({ type }) => type === "thinking");
}

/** The message that began a run. */
export function isQuestion(entry: Entry): entry is UserEntry {
  return entry.kind === "user" && entry.delivery === "sent";
}

/** A live message that the agent has not read, which stays below the answer. */
export function isPending(entry: Entry): entry is UserEntry {
  return entry.kind === "user" && entry.delivery !== "sent" && entry.delivery !== "seen";
}

export function newAnswer(id: string, fields: Partial<AnswerEntry> = {}): AnswerEntry {
  return {
    kind: "answer",
    id,
    runId: null,
    messageId: null,
    firstId: null,
    siblings: [],
    parts: [],
    asks: [],
    state: "open",
    status: null,
    finishReason: null,
    usage: null,
    cost: null,
    durationMs: null,
    firstTokenMs: null,
    failure: null,
    ...fields,
  };
}

/** What the agent has said, without its steps. */
export function answerText(answer: AnswerEntry): string {
  return textOf(answer.parts);
}
