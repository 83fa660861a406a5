import type { Api } from "../api/client";
import { explain } from "../api/client";
import type { Accepted, Approval, ApprovalAnswer, Attachment, Conversation, Waiting } from "../api/types";
import {
  ApiError,
  ConnectionLostError,
  type FollowOptions,
  type PartialRunEvent,
  type RunEvent,
  follow,
  isTerminal,
  numberOf,
  parseRunEvent,
} from "@millrace/client";
import { contentOf } from "./attachments";
import { EventBatch } from "./batch";
import { entriesFrom } from "./history";
import { Journal } from "./journal";
import { LiveMessages } from "./live";
import { type Action, reduce } from "./reducer";
import { type ChatState, EMPTY_CHAT, isQuestion, isRunning } from "./state";

export interface SessionOptions {
  readonly api: Api;
  readonly conversationId: string;
  /** Runs `flush` when the screen is drawn next. */
  readonly schedule: (flush: () => void) => void;
  readonly onLoaded?: (conversation: Conversation) => void;
  /** A run began or ended: the list of conversations may have changed. */
  readonly onRunChange?: () => void;
  /** A run began here, on a message of this page. */
  readonly onStart?: (runId: string) => void;
}

interface Question {
  readonly id: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly agentId: string;
}

type Open = FollowOptions<RunEvent>["open"];

/** The events of a run are kept for a day; of one that waits longer the stored messages tell. */
const LOG_KEPT_MS = 23 * 3_600_000;
/** How often one message may find another run in its way before the user is told. */
const MOST_JOINS = 3;
/** A page waits longer for its network than a script does. */
const MOST_ATTEMPTS = 8;

/** One conversation on the screen: its state, and everything that the user can do in it. */
export class ChatSession {
  #state: ChatState = EMPTY_CHAT;
  readonly #listeners = new Set<() => void>();
  readonly #batch: EventBatch;
  readonly #live: LiveMessages;
  readonly #journal = new Journal();
  #connection = new AbortController();
  #question: Question | null = null;
  #isStopWanted = false;
  #joins = 0;

  constructor(private readonly options: SessionOptions) {
    const { api, conversationId, schedule } = options;
    this.#batch = new EventBatch(schedule, (events) => this.#dispatch({ type: "events", events }));
    this.#live = new LiveMessages({
      ready: () => this.#whenStarted(),
      inject: (text, attachments) => this.#inject(text, attachments),
      withdraw: (messageId) => api.withdraw(conversationId, messageId),
      dispatch: (action) => this.#dispatch(action),
      entries: () => this.#state.entries,
    });
  }

  readonly getState = (): ChatState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Shows the stored messages and goes on with the run that is active, if there is one. */
  async load(): Promise<void> {
    const { signal } = this.#newConnection();
    this.#dispatch({ type: "loading" });
    try {
      const runId = await this.#loadMessages(signal, true);
      if (runId) await this.#resume(runId, signal);
      else await this.#sendQueued();
    } catch (error) {
      if (!signal.aborted) this.#dispatch({ type: "unavailable", notice: explain(error) });
    }
  }

  /** Ends the connection. The run goes on without it. */
  close(): void {
    this.#connection.abort();
    this.#live.close();
    this.#batch.flush();
  }

  /** A message to the agent: a live one while it answers, else the beginning of a new run. */
  send(text: string, agentId: string, attachments: readonly Attachment[] = []): Promise<void> {
    this.#joins = 0;
    return this.#deliver(text, agentId, attachments);
  }

  /** Asks again what was answered with an error. */
  async retry(agentId: string): Promise<void> {
    const question = this.#question ?? this.#lastQuestion(agentId);
    if (!question || isRunning(this.#state)) return;
    this.#dispatch({ type: "turn_removed" });
    // A request that started no run is repeated under its own key: should it have arrived, it is not run twice.
    await this.#ask(this.#state.runId ? { ...question, id: crypto.randomUUID() } : question);
  }

  /** Sends a live message again that failed or expired. */
  async resend(id: string, agentId: string): Promise<void> {
    const entry = this.#state.entries.find((candidate) => candidate.id === id);
    if (entry?.kind !== "user") return;
    this.#dispatch({ type: "removed", id });
    await this.send(entry.text, agentId, entry.attachments);
  }

  withdraw(id: string): Promise<void> {
    return this.#live.withdraw(id);
  }

  /** The run ends within about a second; what was answered so far stays. */
  async stop(): Promise<void> {
    if (this.#state.phase !== "answering" && this.#state.phase !== "waiting") return;
    this.#dispatch({ type: "stopping" });
    // Before its first event the run may not exist: the stop follows then.
    if (this.#state.runId) await this.#requestStop();
    else this.#isStopWanted = true;
  }

  dismissNotice(): void {
    this.#dispatch({ type: "notice", notice: null });
  }

  /** Answers a call that waits. What it leads to comes over the stream, here and in every other tab. */
  async answerCall(answer: ApprovalAnswer): Promise<void> {
    const { runId } = this.#state;
    if (!runId) return;
    this.#dispatch({ type: "answering_call", callId: answer.callId });
    try {
      await this.options.api.answerCall(runId, answer);
    } catch (error) {
      this.#dispatch({ type: "call_refused", callId: answer.callId, note: explain(error) });
    }
  }

  /** A message to a run that waits for people is the reply to its questions. */
  #inject(text: string, attachments: readonly Attachment[]): Promise<Accepted> {
    const { api, conversationId } = this.options;
    const content = contentOf(text, attachments);
    return this.#state.phase === "waiting" ? api.reply(conversationId, content) : api.inject(conversationId, content);
  }

  async #deliver(text: string, agentId: string, attachments: readonly Attachment[]): Promise<void> {
    if (isRunning(this.#state)) await this.#sendLive(text, agentId, attachments);
    else await this.#ask({ id: crypto.randomUUID(), text, attachments, agentId });
  }

  #whenStarted(): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!this.#state.runId && isRunning(this.#state)) return;
        this.#listeners.delete(check);
        resolve();
      };
      this.#listeners.add(check);
      check();
    });
  }

  async #requestStop(): Promise<void> {
    this.#isStopWanted = false;
    try {
      await this.options.api.stop(this.options.conversationId);
    } catch (error) {
      this.#dispatch({ type: "stop_failed", notice: `The answer could not be stopped: ${explain(error)}` });
    }
  }

  async #ask(question: Question): Promise<void> {
    const { api, conversationId } = this.options;
    const { signal } = this.#newConnection();
    const { id, text, attachments, agentId } = question;
    this.#question = question;
    this.#dispatch({ type: "asked", id, text, attachments });
    this.#journal.begin(this.#state.entries);
    const message = { content: contentOf(text, attachments), idempotencyKey: id, ...(agentId && { agentId }) };
    const open: Open = (position, aborted) =>
      position.runId
        ? api.attach(conversationId, position, aborted)
        : api.sendMessage(conversationId, message, aborted);
    await this.#follow(open, signal);
  }

  async #resume(runId: string, signal: AbortSignal): Promise<void> {
    const { api, conversationId } = this.options;
    const open: Open = (position, aborted) => api.attach(conversationId, position, aborted);
    await this.#follow(open, signal, runId);
  }

  async #follow(open: Open, signal: AbortSignal, runId?: string): Promise<void> {
    try {
      const hasEnded = await this.#receiveAll(open, signal, runId).catch((error: unknown) => this.#nothingIfGone(error));
      if (!hasEnded) await this.#loadMessages(signal, false);
      await this.#afterRun();
    } catch (error) {
      if (!signal.aborted) await this.#explainFailure(error);
    }
  }

  /** Returns true when the run's end was received. */
  async #receiveAll(open: Open, signal: AbortSignal, runId: string | undefined): Promise<boolean> {
    const events = follow<RunEvent>({
      open,
      signal,
      parse: parseRunEvent,
      isLast: isTerminal,
      isPause: (event) => event.type === "waiting",
      onLink: (link) => this.#dispatch({ type: "link", link }),
      maxAttempts: MOST_ATTEMPTS,
      runId: runId ?? null,
    });
    let hasEnded = false;
    for await (const { event, id } of events) {
      this.#receive(event, id === null ? null : numberOf(id));
      hasEnded = isTerminal(event);
    }
    return hasEnded;
  }

  /** The log of a run is kept for a day: after that only the stored messages tell about it. */
  #nothingIfGone(error: unknown): boolean {
    const isGone = error instanceof ApiError && [404, 410].includes(error.status);
    if (isGone && this.#state.runId) return false;
    throw error;
  }

  #receive(event: RunEvent, number: number | null): void {
    if (event.type === "rewind") return this.#rewind(event.after);
    this.#journal.add(event, number);
    this.#batch.add(event);
    if (event.type === "start") {
      this.options.onRunChange?.();
      // A run that was there when the page came, or a connection that came again, knows its id already.
      if (event.runId !== this.#state.runId) this.options.onStart?.(event.runId);
      this.#batch.flush();
      if (this.#isStopWanted) void this.#requestStop();
    }
    if (isTerminal(event) || event.type === "waiting") this.#batch.flush();
    if (event.type === "waiting") void this.#showApprovals();
  }

  #rewind(after: string): void {
    this.#batch.flush();
    this.#dispatch({ type: "rewound", ...this.#journal.rewind(after) });
  }

  /** Another tab's run is in the way: join it, and let the message reach it as a live one. */
  async #explainFailure(error: unknown): Promise<void> {
    const isBusy = error instanceof ApiError && error.code === "run_active" && this.#joins < MOST_JOINS;
    if (isBusy && this.#question) return this.#joinOtherRun(this.#question);
    const isTransient = error instanceof ApiError ? error.isTransient : error instanceof ConnectionLostError;
    if (isTransient && this.#state.runId) return this.#dispatch({ type: "link", link: "lost" });
    const code = error instanceof ApiError ? error.code : null;
    this.#dispatch({ type: "failed", failure: { message: explain(error), code } });
    this.options.onRunChange?.();
  }

  async #joinOtherRun({ text, attachments, agentId }: Question): Promise<void> {
    this.#joins += 1;
    this.#dispatch({ type: "turn_removed" });
    this.#question = null;
    const joined = this.load();
    await this.#sendLive(text, agentId, attachments);
    await joined;
  }

  async #sendLive(text: string, agentId: string, attachments: readonly Attachment[]): Promise<void> {
    await this.#live.send(text, agentId, attachments);
    if (this.#state.phase === "idle") await this.#sendQueued();
  }

  async #afterRun(): Promise<void> {
    this.options.onRunChange?.();
    await this.#sendQueued();
  }

  /** A message that could not reach the run becomes the next question. */
  async #sendQueued(): Promise<void> {
    const queued = this.#live.nextQueued();
    if (queued) await this.#deliver(queued.text, queued.agentId, queued.attachments);
  }

  /** Returns the active run, which `attach` says whether to show as running. */
  async #loadMessages(signal: AbortSignal, attach: boolean): Promise<string | null> {
    const { api, conversationId } = this.options;
    const conversation = await api.getConversation(conversationId);
    const runId = attach ? conversation.activeRunId : null;
    const [messages, waiting, approvals] = await Promise.all([
      api.listMessages(conversationId),
      this.#listWaiting(),
      runId ? this.#listApprovals() : [],
    ]);
    signal.throwIfAborted();
    this.options.onLoaded?.(conversation);
    const reopens = approvals.some((one) => Date.parse(one.requestedAt) < Date.now() - LOG_KEPT_MS);
    this.#dispatch({ type: "loaded", entries: entriesFrom(messages, reopens ? null : runId), runId, reopens });
    this.#dispatch({ type: "approvals", approvals });
    if (approvals.length > 0) this.#dispatch({ type: "events", events: [waitingFor(approvals)] });
    this.#journal.begin(this.#state.entries);
    const stored = new Set(messages.map((message) => message.id));
    this.#live.restore(waiting.filter((one) => !stored.has(one.messageId)));
    return runId;
  }

  async #listApprovals(): Promise<readonly Approval[]> {
    const { api, conversationId } = this.options;
    return api.listApprovals(conversationId).catch((error: unknown) => {
      if (error instanceof ApiError && !error.isTransient) return [];
      throw error;
    });
  }

  async #showApprovals(): Promise<void> {
    try {
      this.#dispatch({ type: "approvals", approvals: await this.#listApprovals() });
    } catch (error) {
      this.#dispatch({ type: "notice", notice: `What waits for an answer cannot be shown: ${explain(error)}` });
    }
  }

  /** None from a server that knows no live messages. */
  async #listWaiting(): Promise<readonly Waiting[]> {
    const { api, conversationId } = this.options;
    return api.listWaiting(conversationId).catch((error: unknown) => {
      if (error instanceof ApiError && !error.isTransient) return [];
      throw error;
    });
  }

  /** After a reload the question is known from the stored messages only. */
  #lastQuestion(agentId: string): Question | null {
    const entry = this.#state.entries.findLast(isQuestion);
    return entry?.kind === "user"
      ? { id: entry.id, text: entry.text, attachments: entry.attachments ?? [], agentId }
      : null;
  }

  #newConnection(): AbortController {
    this.#connection.abort();
    this.#batch.flush();
    this.#isStopWanted = false;
    this.#connection = new AbortController();
    return this.#connection;
  }

  #dispatch(action: Action): void {
    const next = reduce(this.#state, action);
    if (next === this.#state) return;
    this.#state = next;
    for (const listener of this.#listeners) listener();
  }
}

function waitingFor(approvals: readonly Approval[]): PartialRunEvent {
  return { type: "waiting", expiresAt: approvals[0]?.expiresAt ?? "" };
}
