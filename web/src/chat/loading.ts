import { ApiError, type Schemas } from "@millrace/client";
import type { Millrace } from "@millrace/client";
import { explain } from "../api/explain";
import { entriesFrom } from "./history";
import type { Action } from "./reducer";

type Approval = Schemas["WaitingCall"];
type Conversation = Schemas["Conversation"];

/** The events of a run are kept for a day; of one that waits longer the stored messages tell. */
const LOG_KEPT_MS = 23 * 3_600_000;

/** What the server keeps of a conversation. */
interface StoredChat {
  readonly conversation: Conversation;
  readonly messages: readonly Schemas["Message"][];
  readonly waiting: readonly Schemas["LiveMessage"][];
  readonly approvals: readonly Approval[];
  /** The run waits for so long that its events are no longer kept. */
  readonly reopens: boolean;
}

/** Reads a conversation, with what its active run waits for where there is one. */
async function loadChat(api: Millrace, id: string): Promise<StoredChat> {
  const conversation = await api.conversations.get(id);
  const [messages, waiting, approvals] = await Promise.all([
    listMessages(api, id),
    noneIfMissing(api.conversations.listInjected(id).then(({ items }) => items)),
    conversation.activeRunId ? listApprovals(api, id) : [],
  ]);
  const reopens = approvals.some((one) => Date.parse(one.requestedAt) < Date.now() - LOG_KEPT_MS);
  return { conversation, messages, waiting, approvals, reopens };
}

/** All messages of the active branch, oldest first. */
function listMessages(api: Millrace, id: string): Promise<Schemas["Message"][]> {
  return Array.fromAsync(api.conversations.listMessages(id));
}

export function listApprovals(api: Millrace, id: string): Promise<readonly Approval[]> {
  return noneIfMissing(api.approvals.list({ conversationId: id }).then(({ items }) => items));
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

/** Shows that the conversation could not be loaded. */
export function unavailable(error: unknown): Action {
  const isMissing = error instanceof ApiError && error.code === "conversation_not_found";
  return isMissing ? { type: "missing" } : { type: "unavailable", notice: explain(error) };
}

/** A page that heard nothing for so long looks whether the conversation has gone on elsewhere. */
const STALE_MS = 15_000;

/** A conversation as the server keeps it, and how it stood when this page read it last. */
export class StoredConversation {
  #heardAt = Date.now();
  #updatedAt: string | null = null;

  constructor(
    private readonly api: Millrace,
    private readonly id: string,
  ) {}

  async load(): Promise<StoredChat> {
    const stored = await loadChat(this.api, this.id);
    this.#note(stored.conversation);
    return stored;
  }

  /** Notes how the conversation stands after a run. Returns the messages where the stream did not tell all. */
  async afterRun(tellsMore: boolean): Promise<readonly Schemas["Message"][] | null> {
    const conversation = this.api.conversations.get(this.id);
    const messages = tellsMore ? listMessages(this.api, this.id) : null;
    const [found, branch] = await Promise.all([conversation, messages]);
    this.#note(found);
    return branch;
  }

  /** Whether the conversation has gone on elsewhere since; asks only now and then, and never throws. */
  async isOutdated(): Promise<boolean> {
    if (Date.now() - this.#heardAt < STALE_MS) return false;
    const found = await this.api.conversations.get(this.id).catch(() => null);
    if (!found) return false;
    this.#heardAt = Date.now();
    return found.activeRunId !== null || found.updatedAt !== this.#updatedAt;
  }

  #note({ updatedAt }: Conversation): void {
    [this.#heardAt, this.#updatedAt] = [Date.now(), updatedAt];
  }
}

/** None from a server that does not know this. */
async function noneIfMissing<Item>(listed: Promise<readonly Item[]>): Promise<readonly Item[]> {
  return listed.catch((error: unknown) => {
    if (error instanceof ApiError && !error.isTransient) return [];
    throw error;
  });
}
