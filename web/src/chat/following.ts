import {
  ApiError,
  type EventStream,
  type LinkState,
  type Millrace,
  type Received,
  type RunEvent,
  type RunStreamOptions,
  isTerminal,
  numberOf,
  runIdOf,
} from "@millrace/client";
import { type SharedOptions, SharedStream, ownStream, scopeOf, withIds } from "@millrace/client/shared";
import { EventBatch } from "./batch";
import { Journal } from "./journal";
import type { Action } from "./reducer";
import type { Entry } from "./state";

/** Sends the request that starts a run. */
export type Begin = (options: RunStreamOptions) => Promise<EventStream<RunEvent>>;

/** A page waits longer for its network than a script does. */
const MOST_ATTEMPTS = 8;

interface Port {
  readonly api: Millrace;
  dispatch(action: Action): void;
  /** Runs `flush` with the next animation frame. */
  schedule(flush: () => void): void;
  /** The run on the screen, once its id is known. */
  runId(): string | null;
  onStart(runId: string): void;
  /** The run waits for people. */
  onWaiting(): void;
}

/** Shows the events of a run, across lost connections and takeovers, and applies `rewind`. */
export class RunFollower {
  readonly #batch: EventBatch;
  readonly #journal = new Journal();

  constructor(private readonly port: Port) {
    this.#batch = new EventBatch(port.schedule, (events) => port.dispatch({ type: "events", events }));
  }

  /** Stores what is on the screen before a run. */
  begin(entries: readonly Entry[]): void {
    this.#journal.begin(entries);
  }

  /** Shows what was received but has not been drawn yet. */
  flush(): void {
    this.#batch.flush();
  }

  /**
   * Follows a run that `begin` starts, over a connection of this page. Returns true if its end was received, false if
   * its events have expired.
   */
  begun(begin: Begin, signal: AbortSignal): Promise<boolean> {
    return this.#toEnd(this.#own(begin, signal));
  }

  async *#own(begin: Begin, signal: AbortSignal): AsyncGenerator<Received<RunEvent>, void, void> {
    const own = await begin(this.#options(signal));
    yield* ownStream(own, await this.#shared(runIdOf(own.lastEventId ?? "") ?? "", signal));
  }

  /** Follows an existing run, over one connection for all tabs of the browser. Returns the same as `begun`. */
  joined(runId: string, signal: AbortSignal): Promise<boolean> {
    return this.#toEnd(this.#joined(runId, signal));
  }

  async *#joined(runId: string, signal: AbortSignal): AsyncGenerator<Received<RunEvent>, void, void> {
    yield* withIds(new SharedStream(await this.#shared(runId, signal)));
  }

  /** Tabs share only what one user sees, because another user may see less of a run. */
  async #shared(runId: string, signal: AbortSignal): Promise<SharedOptions<RunEvent>> {
    const { api } = this.port;
    const open = (after: string | null) => api.runs.stream(runId, { ...this.#options(signal), after });
    return { name: `run:${await scopeOf(api)}:${runId}`, signal, open };
  }

  #options(signal: AbortSignal): RunStreamOptions {
    const onLink = (link: LinkState) => this.port.dispatch({ type: "link", link });
    return { signal, onLink, keepWaiting: true, maxAttempts: MOST_ATTEMPTS };
  }

  #toEnd(events: AsyncIterable<Received<RunEvent>>): Promise<boolean> {
    return this.#receiveAll(events).catch((error: unknown) => this.#nothingIfGone(error));
  }

  async #receiveAll(events: AsyncIterable<Received<RunEvent>>): Promise<boolean> {
    let hasEnded = false;
    for await (const { event, id } of events) {
      this.#receive(event, id === null ? null : numberOf(id));
      hasEnded = isTerminal(event);
    }
    return hasEnded;
  }

  /** The log of a run is kept for a day. After that, only the stored messages are left. */
  #nothingIfGone(error: unknown): boolean {
    const isGone = error instanceof ApiError && [404, 410].includes(error.status);
    if (isGone && this.port.runId()) return false;
    throw error;
  }

  #receive(event: RunEvent, number: number | null): void {
    if (event.type === "rewind") return this.#rewind(event.after);
    this.#journal.add(event, number);
    this.#batch.add(event);
    if (event.type === "start") this.#start(event.runId);
    if (isTerminal(event) || event.type === "waiting") this.#batch.flush();
    if (event.type === "waiting") this.port.onWaiting();
  }

  #start(runId: string): void {
    this.#batch.flush();
    this.port.onStart(runId);
  }

  #rewind(after: string): void {
    this.#batch.flush();
    this.port.dispatch({ type: "rewound", ...this.#journal.rewind(after) });
  }
}
