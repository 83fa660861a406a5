import { newId } from "../api/transport.js";
import type { Millrace } from "../client.js";
import { NotFoundError } from "../errors.js";
import { type RunEvent, runIdOf } from "../events.js";
import { RunReducer } from "../run/reducer.js";
import { NEW_RUN, type RunState } from "../run/state.js";
import type { Schemas } from "../schemas.js";
import type { SharedOptions } from "../shared/index.js";
import type { Received } from "../stream/follow.js";
import { sharing } from "./sharing.js";
import { Session } from "./session.js";

type Content = Schemas["SendMessage"]["content"];

/** A message, and the run that answers it. */
export interface Turn {
  /** The idempotency key of the message, or the id of a run that began elsewhere. */
  readonly id: string;
  readonly content: Content | null;
  readonly run: RunState;
}

export interface ConversationState {
  readonly status: "submitted" | "streaming" | "waiting" | "ready" | "error";
  readonly isLoading: boolean;
  /** The history before `turns`. */
  readonly messages: readonly Schemas["Message"][];
  /** The questions and answers since this page was opened. */
  readonly turns: readonly Turn[];
  /** Why a request failed. A failed run has its own error. */
  readonly error: Error | null;
}

export interface ConversationOptions {
  readonly conversationId: string;
  /** Required for a new conversation; later messages use the conversation's agent. */
  readonly agentId?: string | undefined;
  readonly detail?: "answer" | "steps" | "full" | undefined;
}

const STATUS = { submitted: "submitted", streaming: "streaming", waiting: "waiting", done: "ready", error: "error" } as const;

const EMPTY: ConversationState = { status: "ready", isLoading: true, messages: [], turns: [], error: null };

/** A conversation on a page: its state and all actions. */
export class ConversationSession extends Session<ConversationState> {
  #pages: BroadcastChannel | null = null;
  /** The user of this page. Other users in the same browser see none of the shared events. */
  #scope = "";

  constructor(
    private readonly client: Millrace,
    private readonly options: ConversationOptions,
  ) {
    super(EMPTY);
  }

  /** Loads the history, and follows the active run of this or another page. */
  protected async run(signal: AbortSignal): Promise<void> {
    this.set(EMPTY);
    this.#scope = await (await sharing()).scopeOf(this.client);
    signal.throwIfAborted();
    this.#listen(signal);
    const runId = await this.#load(signal);
    if (runId) await this.#join(runId, signal);
  }

  /**
   * Sends a message, which the agent answers in a run. If a run waits for people, the message is their reply; if a run
   * is in progress, it is a live message.
   */
  readonly send = async (content: Content): Promise<void> => {
    const { conversationId } = this.options;
    const { status, error } = this.state;
    if (!error && (status === "submitted" || status === "streaming")) return this.inject(content);
    if (status !== "waiting") return this.#ask(newId(), content);
    await this.client.conversations.sendMessage({ conversationId, content, ifBusy: "inject" });
  };

  /** Sends a live message, which the agent reads at its next step. */
  readonly inject = async (content: Content): Promise<void> => {
    await this.client.conversations.inject({ conversationId: this.options.conversationId, content });
  };

  /** Stops the run; what was said so far is kept. */
  readonly stop = async (): Promise<void> => {
    await this.client.conversations.stop(this.options.conversationId);
  };

  /** Answers a call that waits for a person. */
  readonly answer = async (answer: Schemas["AnswerCall"]): Promise<void> => {
    await this.client.approvals.answer(this.state.turns.at(-1)?.run.runId ?? "", answer);
  };

  /** Repeats the message whose answer failed. A message that may have arrived does not run twice. */
  readonly retry = async (): Promise<void> => {
    const { turns } = this.state;
    const last = turns.at(-1);
    if (!last?.content || !["error", "submitted"].includes(last.run.status)) return;
    this.set({ turns: turns.slice(0, -1) });
    await this.#ask(last.run.runId ? newId() : last.id, last.content);
  };

  /** Shows the history. Returns the active run, unless something was asked here in the meantime. */
  async #load(signal: AbortSignal): Promise<string | null> {
    const { conversationId, detail } = this.options;
    const messages: Schemas["Message"][] = [];
    let runId: string | null = null;
    try {
      ({ activeRunId: runId } = await this.client.conversations.get(conversationId, { signal }));
      for await (const message of this.client.conversations.listMessages(conversationId, { detail, signal } as object)) messages.push(message);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
    const { turns } = this.state;
    const shown = [runId, ...turns.map(({ run }) => run.runId)].filter((id) => id !== null);
    this.set({ isLoading: false, messages: messages.filter((one) => !shown.includes(one.runId ?? "")) });
    if (turns.length > 0) return null;
    const question = messages.find((one) => one.runId === runId && one.role === "user");
    if (runId) this.#begin(runId, question?.content.map(({ text = "" }) => text).join("") ?? null);
    return runId;
  }

  #begin(id: string, content: Content | null): void {
    this.set({ turns: [...this.state.turns, { id, content, run: NEW_RUN }], status: "submitted", error: null });
  }

  async #ask(id: string, content: Content): Promise<void> {
    const { conversationId, agentId = null, detail } = this.options;
    this.#begin(id, content);
    await this.guard(async (signal) => {
      const message = { conversationId, agentId, content, idempotencyKey: id };
      const stream = await this.client.conversations.sendMessageStream(message, { detail, keepWaiting: true, signal });
      const runId = runIdOf(stream.lastEventId ?? "");
      this.#pages?.postMessage({ runId, content });
      const { ownStream } = await sharing();
      await this.#follow(id, ownStream(stream, this.#shared(runId, signal)), signal);
    });
  }

  /** Follows a run that began elsewhere, over the connection that all pages share. */
  async #join(runId: string, signal: AbortSignal): Promise<void> {
    const { SharedStream, withIds } = await sharing();
    await this.#follow(runId, withIds(new SharedStream(this.#shared(runId, signal))), signal);
  }

  #shared(runId: string, signal: AbortSignal): SharedOptions<RunEvent> {
    const { detail } = this.options;
    const open = (after: string | null) => this.client.runs.stream(runId, { after, detail, keepWaiting: true });
    return { name: `run:${this.#scope}:${runId}:${detail}`, signal, open };
  }

  /** Shows a run to its end. If its events have expired, the history shows it. */
  async #follow(id: string, events: AsyncIterable<Received<RunEvent>>, signal: AbortSignal): Promise<void> {
    const reducer = new RunReducer();
    for await (const { event, id: eventId } of events) {
      const run = reducer.add(event, eventId);
      this.set({ turns: this.state.turns.map((turn) => (turn.id === id ? { ...turn, run } : turn)), status: STATUS[run.status] });
    }
    if (["error", "ready"].includes(this.state.status)) return;
    this.set({ turns: [], status: "ready" });
    await this.#load(signal);
  }

  /** Another page reports a run that it has started. */
  #listen(signal: AbortSignal): void {
    if (!globalThis.BroadcastChannel) return;
    const pages = (this.#pages = new BroadcastChannel(`millrace:conversation:${this.#scope}:${this.options.conversationId}`));
    signal.addEventListener("abort", () => pages.close());
    pages.onmessage = ({ data }: MessageEvent<{ readonly runId: string; readonly content: Content }>) => {
      this.#begin(data.runId, data.content);
      void this.guard(() => this.#join(data.runId, signal));
    };
  }
}
