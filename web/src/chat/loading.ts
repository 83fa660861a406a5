import { ApiError } from "@millrace/client";
import type { Api } from "../api/client";
import type { Approval, Conversation, Message, Waiting } from "../api/types";

/** The events of a run are kept for a day; of one that waits longer the stored messages tell. */
const LOG_KEPT_MS = 23 * 3_600_000;

/** What the server keeps of a conversation. */
export interface StoredChat {
  readonly conversation: Conversation;
  readonly messages: readonly Message[];
  readonly waiting: readonly Waiting[];
  readonly approvals: readonly Approval[];
  /** The run waits for so long that its events are no longer kept. */
  readonly reopens: boolean;
}

/** Reads a conversation, with what its active run waits for where there is one. */
export async function loadChat(api: Api, id: string): Promise<StoredChat> {
  const conversation = await api.getConversation(id);
  const [messages, waiting, approvals] = await Promise.all([
    api.listMessages(id),
    noneIfMissing(api.listWaiting(id)),
    conversation.activeRunId ? listApprovals(api, id) : [],
  ]);
  const reopens = approvals.some((one) => Date.parse(one.requestedAt) < Date.now() - LOG_KEPT_MS);
  return { conversation, messages, waiting, approvals, reopens };
}

export function listApprovals(api: Api, id: string): Promise<readonly Approval[]> {
  return noneIfMissing(api.listApprovals(id));
}

/** None from a server that does not know this. */
async function noneIfMissing<Item>(listed: Promise<readonly Item[]>): Promise<readonly Item[]> {
  return listed.catch((error: unknown) => {
    if (error instanceof ApiError && !error.isTransient) return [];
    throw error;
  });
}
