import { explain } from "../api/explain";
import { ApiError, type Millrace, type Schemas } from "@millrace/client";
import { contentOf } from "./attachments";
import { type QueuedMessage, keepQueue, readQueue } from "./drafts";
import { attachmentsOf } from "./history";
import type { Action } from "./reducer";
import type { Attachment, Entry } from "./state";

/** A live message that the server has accepted. */
type Accepted = Pick<Schemas["LiveMessage"], "messageId" | "expiresAt">;

/** Live messages expire after this time, as on the server. */
const LONGEST_LIFE_MS = 600_000;
const MISSING = [404, 405, 501];
const NOT_SUPPORTED = "This deployment does not accept messages while the agent answers.";

interface Port {
  readonly api: Millrace;
  readonly conversationId: string;
  /** Resolves when the server knows the run, or when there is none anymore. */
  ready(): Promise<void>;
  /** The run waits for people, so a message to it replies to its questions. */
  isWaiting(): boolean;
  dispatch(action: Action): void;
  entries(): readonly Entry[];
}

/** Messages to a running agent, from the keyboard until the agent has read them. */
export class LiveMessages {
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #queued: readonly QueuedMessage[];

  constructor(private readonly port: Port) {
    this.#queued = readQueue(port.conversationId);
  }

  /** Keeps a message until the answer is finished. */
  queue(text: string, agentId: string, attachments: readonly Attachment[]): void {
    const message = { id: crypto.randomUUID(), text, attachments, agentId };
    this.port.dispatch({ type: "injecting", id: message.id, text, attachments });
    this.#enqueue(message);
  }

  /** Never throws: the message's entry shows what became of it. */
  async send(text: string, agentId: string, attachments: readonly Attachment[] = []): Promise<void> {
    const id = crypto.randomUUID();
    this.port.dispatch({ type: "injecting", id, text, attachments });
    try {
      await this.port.ready();
      this.#accepted(id, await this.#inject(text, attachments));
    } catch (error) {
      this.#onRejected({ id, text, attachments, agentId }, error);
    }
  }

  /** Shows messages that another page, or this one before its reload, has sent and the agent has not read. */
  restore(waiting: readonly Schemas["LiveMessage"][]): void {
    this.#restoreQueue();
    const known = this.port.entries().map((entry) => (entry.kind === "user" ? entry.messageId : undefined));
    for (const { messageId, content, attachments, expiresAt } of waiting) {
      if (known.includes(messageId)) continue;
      this.port.dispatch({ type: "injecting", id: messageId, text: content, attachments: attachmentsOf(attachments ?? []) });
      this.#accepted(messageId, { messageId, expiresAt });
    }
  }

  /** Takes back a message that the agent has not read. */
  async withdraw(id: string): Promise<void> {
    const entry = this.port.entries().find((candidate) => candidate.id === id);
    if (entry?.kind !== "user") return;
    this.#keep(this.#queued.filter((queued) => queued.id !== id));
    const isOnServer = entry.messageId !== undefined && entry.delivery === "accepted";
    if (isOnServer && !(await this.#withdrawFromServer(id, entry.messageId as string))) return;
    this.port.dispatch({ type: "removed", id });
  }

  /** Return the oldest message queued until the end of the run, and remove its entry. */
  nextQueued(): QueuedMessage | null {
    const [queued = null, ...rest] = this.#queued;
    this.#keep(rest);
    if (queued) this.port.dispatch({ type: "removed", id: queued.id });
    return queued;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #inject(text: string, attachments: readonly Attachment[]): Promise<Accepted> {
    const { api, conversationId } = this.port;
    const message = { conversationId, content: contentOf(text, attachments) };
    if (!this.port.isWaiting()) return api.conversations.inject(message);
    return api.conversations.sendMessage({ ...message, ifBusy: "inject" }) as Promise<unknown> as Promise<Accepted>;
  }

  #accepted(id: string, { messageId, expiresAt }: Accepted): void {
    this.port.dispatch({ type: "accepted", id, messageId });
    const life = Math.min(Math.max(toMilliseconds(expiresAt) - Date.now(), 0), LONGEST_LIFE_MS);
    const timer = setTimeout(() => this.#expire(id, timer), life);
    this.#timers.add(timer);
  }

  #expire(id: string, timer: ReturnType<typeof setTimeout>): void {
    this.#timers.delete(timer);
    const entry = this.port.entries().find((candidate) => candidate.id === id);
    if (entry?.kind === "user" && entry.delivery === "accepted") {
      this.port.dispatch({ type: "delivery", id, delivery: "expired" });
    }
  }

  #onRejected(message: QueuedMessage, error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0;
    const isMissing = MISSING.includes(status);
    if (status !== 409 && !isMissing) {
      this.port.dispatch({ type: "delivery", id: message.id, delivery: "failed", note: explain(error) });
      return;
    }
    this.#enqueue(message, isMissing ? NOT_SUPPORTED : undefined);
  }

  #enqueue(message: QueuedMessage, note?: string): void {
    this.#keep([...this.#queued, message]);
    this.port.dispatch({ type: "delivery", id: message.id, delivery: "queued", ...(note && { note }) });
  }

  #keep(queue: readonly QueuedMessage[]): void {
    this.#queued = queue;
    keepQueue(this.port.conversationId, queue);
  }

  #restoreQueue(): void {
    const shown = new Set(this.port.entries().map((entry) => entry.id));
    for (const { id, text, attachments } of this.#queued.filter((one) => !shown.has(one.id))) {
      this.port.dispatch({ type: "injecting", id, text, attachments });
      this.port.dispatch({ type: "delivery", id, delivery: "queued" });
    }
  }

  /** Returns true if the message was withdrawn; the agent may have been faster. */
  async #withdrawFromServer(id: string, messageId: string): Promise<boolean> {
    try {
      await this.port.api.conversations.withdraw(this.port.conversationId, messageId);
      return true;
    } catch (error) {
      const isTooLate = error instanceof ApiError && [404, 409, 410].includes(error.status);
      const note = isTooLate ? "Too late to withdraw: the agent already has it." : explain(error);
      const entry = this.port.entries().find((candidate) => candidate.id === id);
      if (entry?.kind === "user" && entry.delivery === "accepted") {
        this.port.dispatch({ type: "delivery", id, delivery: "accepted", note });
      }
      return false;
    }
  }
}

function toMilliseconds(moment: string | number): number {
  if (typeof moment === "string") return Date.parse(moment) || Date.now() + LONGEST_LIFE_MS;
  return moment < 1e12 ? moment * 1000 : moment;
}
