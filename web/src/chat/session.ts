import { ApiError, ConnectionLostError, type Schemas } from "@millrace/client";
import { explain } from "../api/explain";
import type { ApprovalAnswer } from "./asks";
import { WaitingCalls } from "./calls";
import { keepDraft } from "./drafts";
import { RunFollower } from "./following";
import { entriesFrom } from "./history";
import { LiveMessages } from "./live";
import { StoredConversation, shown, unavailable } from "./loading";
import {
  type Branching,
  type ChatRequest,
  type Conversing,
  answeringAgain,
  asked,
  beginning,
  editing,
  isBranch,
  newRequest,
} from "./requests";
import { StopRequest } from "./stopping";
import { type Attachment, type ChatState, hasThought, isRunning } from "./state";
import { ChatStore } from "./store";

export interface SessionOptions extends Conversing {
  /** Runs `flush` with the next animation frame. */
  readonly schedule: (flush: () => void) => void;
  readonly onLoaded?: (conversation: Schemas["Conversation"]) => void;
  /** A run began or ended: the list of conversations may have changed. */
  readonly onRunChange?: () => void;
  /** A message of this page started a run. */
  readonly onStart?: (runId: string) => void;
}

/** How often a message may be blocked by another run before the user is told. */
const MOST_JOINS = 3;

/** A conversation on the screen: its state and all actions of the user. */
export class ChatSession {
  readonly #store = new ChatStore();
  readonly #stored: StoredConversation;
  readonly #run: RunFollower;
  readonly #live: LiveMessages;
  #connection = new AbortController();
  #request: ChatRequest | null = null;
  readonly #stop: StopRequest;
  readonly #calls: WaitingCalls;
  #joins = 0;

  constructor(private readonly options: SessionOptions) {
    const { api, conversationId, schedule } = options;
    const { dispatch } = this.#store;
    this.#stored = new StoredConversation(api, conversationId);
    this.#run = new RunFollower({
      schedule,
      api,
      dispatch,
      runId: () => this.#state.runId,
      onStart: (runId) => this.#onStart(runId),
      onWaiting: () => void this.#calls.show(),
    });
    this.#calls = new WaitingCalls(api, conversationId, dispatch);
    this.#stop = new StopRequest({
      stop: () => api.conversations.stop(conversationId),
      dispatch,
      state: () => this.#state,
    });
    this.#live = new LiveMessages({
      api,
      conversationId,
      ready: () => this.#store.when((state) => state.runId !== null || !isRunning(state)),
      isWaiting: () => this.#state.phase === "waiting",
      dispatch,
      entries: () => this.#state.entries,
    });
  }

  readonly getState = this.#store.getState;
  readonly subscribe = this.#store.subscribe;

  /** Shows the stored messages and follows the active run, if there is one. */
  async load(): Promise<void> {
    const { signal } = this.#newConnection();
    this.#store.dispatch({ type: "loading" });
    try {
      const runId = await this.#loadMessages(signal, true);
      if (runId) await this.#resume(runId, signal);
      else await this.#sendQueued();
    } catch (error) {
      if (!signal.aborted) this.#store.dispatch(unavailable(error));
    }
  }

  /** Reloads the conversation if it has continued elsewhere without this page noticing. */
  async refresh(): Promise<void> {
    const isIdle = () => this.#state.phase === "idle" && this.#state.entries.length > 0;
    if (!isIdle() || !(await this.#stored.isOutdated())) return;
    if (!isIdle()) return;
    void this.load();
    // The active run then continues by itself.
    await this.#store.when((state) => state.phase !== "loading");
  }

  /** Closes the connection. The run continues without it. */
  close(): void {
    this.#connection.abort();
    this.#live.close();
    this.#run.flush();
  }

  /** Sends a message: a live message while the agent answers (or, with `after`, one for afterwards), otherwise a new run. */
  async send(text: string, agentId: string, attachments: readonly Attachment[] = [], after = false): Promise<void> {
    this.#joins = 0;
    if (after && isRunning(this.#state)) return this.#live.queue(text, agentId, attachments);
    await this.refresh();
    await this.#deliver(text, agentId, attachments);
  }

  /** Replaces a question by another one. What followed the old one stays on its branch. */
  edit(entryId: string, text: string, agentId: string): Promise<void> {
    return this.#branch(editing(this.#state.entries, entryId, text, agentId));
  }

  /** Requests another answer to the same question. The existing one stays on its branch. */
  regenerate(answerId: string): Promise<void> {
    return this.#branch(answeringAgain(this.#state.entries, answerId));
  }

  /** Selects the branch with a message. */
  async switchTo(messageId: string): Promise<void> {
    if (isRunning(this.#state)) return;
    try {
      await this.options.api.conversations.selectBranch(this.options.conversationId, { messageId });
      await this.load();
    } catch (error) {
      this.#store.dispatch({ type: "notice", notice: `The branch cannot be shown: ${explain(error)}` });
    }
  }

  /** Repeats the message whose answer failed. The server keeps the failed run, and so does the page. */
  async retry(): Promise<void> {
    const answer = this.#state.entries.findLast((entry) => entry.kind === "answer");
    if (answer?.kind !== "answer" || isRunning(this.#state)) return;
    if (answer.messageId) return this.regenerate(answer.id);
    if (!this.#request) return this.load();
    // A request that started no run is repeated under its own key, so that it does not run twice if it had arrived.
    if (this.#request.again === undefined) this.#store.dispatch({ type: "turn_removed" });
    else this.#store.dispatch({ type: "branched", from: answer.id });
    await this.#ask(this.#request);
  }

  /** Repeats a live message that failed or expired. */
  async resend(id: string, agentId: string): Promise<void> {
    const entry = this.#state.entries.find((candidate) => candidate.id === id);
    if (entry?.kind !== "user") return;
    this.#store.dispatch({ type: "removed", id });
    await this.send(entry.text, agentId, entry.attachments);
  }

  withdraw(id: string): Promise<void> {
    return this.#live.withdraw(id);
  }

  /** Stops the run within about a second; the answer so far is kept. */
  stop(): Promise<void> {
    return this.#stop.stop();
  }

  dismissNotice(): void {
    this.#store.dispatch({ type: "notice", notice: null });
  }

  /** Answers a call that waits. */
  async answerCall(answer: ApprovalAnswer): Promise<void> {
    if (this.#state.runId) await this.#calls.answer(this.#state.runId, answer);
  }

  async #deliver(text: string, agentId: string, attachments: readonly Attachment[]): Promise<void> {
    if (isRunning(this.#state)) await this.#sendLive(text, agentId, attachments);
    else await this.#ask(newRequest(text, agentId, attachments));
  }

  #onStart(runId: string): void {
    this.options.onRunChange?.();
    // A run that was active when the page was opened, or that was reconnected to, already has its id.
    if (this.#request) this.options.onStart?.(runId);
    this.#stop.started();
  }

  async #branch(branching: Branching | null): Promise<void> {
    if (!branching || isRunning(this.#state)) return;
    this.#store.dispatch({ type: "branched", from: branching.from });
    await this.#ask(branching.request);
  }

  async #ask(request: ChatRequest): Promise<void> {
    const { signal } = this.#newConnection();
    this.#request = request;
    this.#store.dispatch(asked(request));
    this.#run.begin(this.#state.entries);
    await this.#follow(this.#run.begun(beginning(this.options, request), signal), signal);
  }

  async #resume(runId: string, signal: AbortSignal): Promise<void> {
    this.#request = null;
    await this.#follow(this.#run.joined(runId, signal), signal);
  }

  async #follow(run: Promise<boolean>, signal: AbortSignal): Promise<void> {
    try {
      const hasEnded = await run;
      if (signal.aborted) return;
      if (!hasEnded) await this.#loadMessages(signal, false);
      await this.#afterRun();
    } catch (error) {
      if (!signal.aborted) await this.#explainFailure(error);
    }
  }

  /** Another tab's run is active: join it, and send the message as a live message. */
  async #explainFailure(error: unknown): Promise<void> {
    const refused = error instanceof ApiError ? error : null;
    const isBusy = refused?.code === "run_active" && this.#joins < MOST_JOINS && !isBranch(this.#request);
    if (isBusy && this.#request) return this.#joinOtherRun(this.#request);
    const isTransient = refused ? refused.isTransient : error instanceof ConnectionLostError;
    if (isTransient && this.#state.runId) return this.#store.dispatch({ type: "link", link: "lost" });
    // The session has ended: what was typed is restored after the next sign-in.
    if (refused?.status === 401 && this.#request?.text) keepDraft(this.options.conversationId, this.#request.text);
    this.#store.dispatch({ type: "failed", failure: { message: explain(error), code: refused?.code ?? null } });
    this.options.onRunChange?.();
  }

  async #joinOtherRun({ text, attachments, agentId }: ChatRequest): Promise<void> {
    this.#joins += 1;
    this.#store.dispatch({ type: "turn_removed" });
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
    await this.#noteEnd();
    await this.#sendQueued();
  }

  /** Updates the state of the conversation and, for a new branch, its siblings and the duration of thoughts. */
  async #noteEnd(): Promise<void> {
    try {
      const branched = isBranch(this.#request);
      const messages = await this.#stored.afterRun(branched || hasThought(this.#state));
      const type = branched ? "identified" : "thought";
      if (messages) this.#store.dispatch({ type, entries: entriesFrom(messages, null) });
    } catch {
      // The answer is complete; the rest arrives with the next check.
    }
  }

  /** A message that could not reach the run becomes the next question. */
  async #sendQueued(): Promise<void> {
    const queued = this.#live.nextQueued();
    if (queued) await this.#deliver(queued.text, queued.agentId, queued.attachments);
  }

  /** Returns the active run. `attach` says whether to show it as running. */
  async #loadMessages(signal: AbortSignal, attach: boolean): Promise<string | null> {
    const stored = await this.#stored.load();
    const { conversation, messages, waiting } = stored;
    const runId = attach ? conversation.activeRunId : null;
    signal.throwIfAborted();
    this.options.onLoaded?.(conversation);
    for (const action of shown(stored, runId)) this.#store.dispatch(action);
    this.#run.begin(this.#state.entries);
    const known = new Set(messages.map((message) => message.id));
    this.#live.restore(waiting.filter((one) => !known.has(one.messageId)));
    return runId;
  }

  #newConnection(): AbortController {
    this.#connection.abort();
    this.#run.flush();
    this.#stop.forget();
    this.#connection = new AbortController();
    return this.#connection;
  }

  get #state(): ChatState {
    return this.#store.getState();
  }
}
