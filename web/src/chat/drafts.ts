import { sharedStorage, tabStorage } from "../api/storage";
import type { Attachment } from "./state";

/** A message that waits in this tab until the answer ends. */
export interface QueuedMessage {
  readonly id: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly agentId: string;
}

const draftKey = (conversationId: string) => `millrace.draft.${conversationId}`;
const queueKey = (conversationId: string) => `millrace.queue.${conversationId}`;

/** The unsent text of a conversation, which outlives the page and the session. */
export function readDraft(conversationId: string): string {
  return sharedStorage.getItem(draftKey(conversationId)) ?? "";
}

export function keepDraft(conversationId: string, text: string): void {
  if (text) sharedStorage.setItem(draftKey(conversationId), text);
  else sharedStorage.removeItem(draftKey(conversationId));
}

/** The messages to send after the answer. They survive a reload, and no other tab sends them as well. */
export function readQueue(conversationId: string): readonly QueuedMessage[] {
  try {
    const stored: unknown = JSON.parse(tabStorage.getItem(queueKey(conversationId)) ?? "[]");
    return Array.isArray(stored) ? (stored as QueuedMessage[]) : [];
  } catch {
    return [];
  }
}

export function keepQueue(conversationId: string, queue: readonly QueuedMessage[]): void {
  if (queue.length > 0) tabStorage.setItem(queueKey(conversationId), JSON.stringify(queue));
  else tabStorage.removeItem(queueKey(conversationId));
}
