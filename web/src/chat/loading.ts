import { ApiError } from "@millrace/client";
import type { Api } from "../api/client";
import { entriesFrom } from "./history";
import type { Action } from "./reducer";
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

/** Shows what is stored; the run `runId` goes on. */
export function shown({ messages, approvals, reopens }: StoredChat, runId: string | null): readonly Action[] {
  const first = approvals[0];
  const waiting = first && { type: "waiting" as const, expiresAt: first.expiresAt };
  return [
    { type: "loaded", entries: entriesFrom(messages, reopens ? null : runId), runId, reopens },
    { type: "approvals", approvals },
    ...(waiting ? [{ type: "events" as const, events: [waiting] }] : []),
  ];
}

/** A page that heard nothing for so long looks whether the conversation has gone on elsewhere. */
const STALE_MS = 15_000;

/** When the server was heard last, and how its conversation stood then. */
export class Freshness {
  #heardAt = Date.now();
  #updatedAt: string | null = null;

  note({ updatedAt }: Conversation): void {
    [this.#heardAt, this.#updatedAt] = [Date.now(), updatedAt];
  }

  /** Whether the conversation has gone on elsewhere since; asks only now and then, and never throws. */
  async isLost(api: Api, id: string): Promise<boolean> {
    if (Date.now() - this.#heardAt < STALE_MS) return false;
    const found = await api.getConversation(id).catch(() => null);
    if (!found) return false;
    this.#heardAt = Date.now();
    return found.activeRunId !== null || found.updatedAt !== this.#updatedAt;
  }
}

/** None from a server that does not know this. */
async function noneIfMissing<Item>(listed: Promise<readonly Item[]>): Promise<readonly Item[]> {
  return listed.catch((error: unknown) => {
    if (error instanceof ApiError && !error.isTransient) return [];
    throw error;
  });
}
