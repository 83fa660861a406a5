import { ApiError, type Schemas } from "@millrace/client";
import type { Millrace } from "@millrace/client";
import { explain } from "../api/explain";
import { entriesFrom } from "./history";
import type { Action } from "./reducer";

type Approval = Schemas["WaitingCall"];
type Conversation = Schemas["Conversation"];

/** Events of a run are kept for a day; if it waits for longer, the stored messages are used. */
const LOG_KEPT_MS = 23 * 3_600_000;

/** The stored conversation. */
interface StoredChat {
  readonly conversation: Conversation;
  readonly messages: readonly Schemas["Message"][];
  readonly waiting: readonly Schemas["LiveMessage"][];
  readonly approvals: readonly Approval[];
  /** The run has waited for so long that its events have expired. */
  readonly reopens: boolean;
}

/** Reads a conversation, with the calls for which its active run waits. */
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

/** Shows the stored messages; the run `runId` continues. */
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

/** After this silence, the page checks whether the conversation has continued elsewhere. */
const STALE_MS = 15_000;

/** A conversation on the server, and its state when this page last read it. */
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

  /** Updates the state of the conversation after a run. Returns the messages if the stream did not have everything. */
  async afterRun(tellsMore: boolean): Promise<readonly Schemas["Message"][] | null> {
    const conversation = this.api.conversations.get(this.id);
    const messages = tellsMore ? listMessages(this.api, this.id) : null;
    const [found, branch] = await Promise.all([conversation, messages]);
    this.#note(found);
    return branch;
  }

  /** Whether the conversation has continued elsewhere. Checks only now and then, and never throws. */
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

/** Undefined from an older server. */
async function noneIfMissing<Item>(listed: Promise<readonly Item[]>): Promise<readonly Item[]> {
  return listed.catch((error: unknown) => {
    if (error instanceof ApiError && !error.isTransient) return [];
    throw error;
  });
}
