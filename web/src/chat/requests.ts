import type { Millrace } from "@millrace/client";
import { contentOf } from "./attachments";
import type { Begin } from "./following";
import type { Action } from "./reducer";
import { type Attachment, type Entry, isQuestion } from "./state";

/** What begins a run: a message, or another answer to one. It keeps its key, so that it is never run twice. */
export interface ChatRequest {
  readonly id: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly agentId: string;
  /** The message that this one follows, where it is not the latest: null for none. */
  readonly parentId?: string | null;
  /** A message of the answer that another one is asked for. */
  readonly again?: string;
}

export function newRequest(text: string, agentId: string, attachments: readonly Attachment[] = []): ChatRequest {
  return { id: crypto.randomUUID(), text, attachments, agentId };
}

/** Whether the request begins a branch next to another one. */
export function isBranch(request: ChatRequest | null): boolean {
  return request?.again !== undefined || request?.parentId !== undefined;
}

/** What the screen shows of a request. */
export function asked({ id, text, attachments, again }: ChatRequest): Action {
  return again === undefined ? { type: "asked", id, text, attachments } : { type: "asked_again", id };
}

export interface Conversing {
  readonly api: Millrace;
  readonly conversationId: string;
  /** Makes the conversation, where the first message is not to do it. Called before each message. */
  readonly prepare?: () => Promise<unknown>;
}

/** Sends a request. */
export function beginning({ api, conversationId, prepare }: Conversing, request: ChatRequest): Begin {
  const begin = sending(api, conversationId, request);
  return prepare ? (options) => prepare().then(() => begin(options)) : begin;
}

function sending(api: Millrace, conversationId: string, request: ChatRequest): Begin {
  const { id: idempotencyKey, text, attachments, agentId, parentId, again } = request;
  if (again !== undefined) {
    const question = { idempotencyKey, ...(again && { messageId: again }) };
    return (options) => api.conversations.regenerateStream(conversationId, question, options);
  }
  const message = { conversationId, content: contentOf(text, attachments), idempotencyKey, ...(agentId && { agentId }) };
  const placed = { ...message, ...(parentId !== undefined && { parentId }) };
  return (options) => api.conversations.sendMessageStream(placed, options);
}

/** A request that begins a branch, and the entry from which on it takes the place of what is shown. */
export interface Branching {
  readonly from: string;
  readonly request: ChatRequest;
}

/** Another question in the place of one. */
export function editing(entries: readonly Entry[], id: string, text: string, agentId: string): Branching | null {
  const entry = entries.find((one) => one.id === id);
  if (entry?.kind !== "user") return null;
  return { from: id, request: { ...newRequest(text, agentId, entry.attachments), parentId: parentOf(entries, id) } };
}

/** Another answer in the place of one. */
export function answeringAgain(entries: readonly Entry[], id: string): Branching | null {
  const answer = entries.find((one) => one.id === id);
  const first = answerStart(entries, id);
  if (answer?.kind !== "answer" || !first) return null;
  return { from: first.id, request: { ...newRequest("", ""), again: answer.messageId ?? "" } };
}

/** The server's id of the message before an entry; null for none. */
function parentOf(entries: readonly Entry[], id: string): string | null {
  const index = entries.findIndex((entry) => entry.id === id);
  const entry = entries[index];
  if (entry?.kind === "user" && entry.parentId !== undefined) return entry.parentId;
  return entries.slice(0, index).findLast((one) => one.messageId)?.messageId ?? null;
}

/** The first entry behind the question to which an answer belongs. */
function answerStart(entries: readonly Entry[], answerId: string): Entry | undefined {
  const index = entries.findIndex((entry) => entry.id === answerId);
  const question = entries.slice(0, index).findLastIndex(isQuestion);
  return index < 0 ? undefined : entries[question + 1];
}
