import {
  ApiError,
  EventStream,
  type FollowOptions,
  type Received,
  type RunEvent,
  isTerminal,
  numberOf,
  parseRunEvent,
  runIdOf,
} from "@millrace/client";
import { type SharedOptions, SharedStream, ownStream, withIds } from "@millrace/client/shared";
import { EventBatch } from "./batch";
import { Journal } from "./journal";
import type { Action } from "./reducer";
import type { Entry } from "./state";

export type Open = FollowOptions<RunEvent>["open"];

/** A page waits longer for its network than a script does. */
const MOST_ATTEMPTS = 8;

interface Port {
  /** Opens the stream of a run that is there. */
  readonly attach: Open;
  dispatch(action: Action): void;
  /** Runs `flush` when the screen is drawn next. */
  schedule(flush: () => void): void;
  /** The run on the screen, once its id is known. */
  runId(): string | null;
  onStart(runId: string): void;
  /** The run waits for people. */
  onWaiting(): void;
}

/** Brings the events of a run to the screen, over cuts and takeovers, and takes back what a `rewind` says. */
export class RunFollower {
  readonly #batch: EventBatch;
  readonly #journal = new Journal();

  constructor(private readonly port: Port) {
    this.#batch = new EventBatch(port.schedule, (events) => port.dispatch({ type: "events", events }));
  }

  /** Notes what is on the screen before a run. */
  begin(entries: readonly Entry[]): void {
    this.#journal.begin(entries);
  }

  /** Shows what has been received and is not drawn yet. */
  flush(): void {
    this.#batch.flush();
  }

  /**
   * Follows a run that `open` begins, over a connection of this page. Returns true when its end was received, false
   * when its events are no longer kept.
   */
  begun(open: Open, signal: AbortSignal): Promise<boolean> {
    return this.#toEnd(this.#own(open, signal));
  }

  async *#own(open: Open, signal: AbortSignal): AsyncGenerator<Received<RunEvent>, void, void> {
    const own = await this.#stream(open, signal, null, null).start();
    yield* ownStream(own, this.#shared(runIdOf(own.lastEventId ?? "") ?? "", signal));
  }

  /** Follows a run that is there, over one connection for all tabs of the browser; returns as `begun`. */
  joined(runId: string, signal: AbortSignal): Promise<boolean> {
    return this.#toEnd(withIds(new SharedStream(this.#shared(runId, signal))));
  }

  #shared(runId: string, signal: AbortSignal): SharedOptions<RunEvent> {
    const open = (after: string | null) => this.#stream(this.port.attach, signal, runId, after);
    return { name: `run:${runId}`, signal, open };
  }

  #stream(open: Open, signal: AbortSignal, runId: string | null, after: string | null): EventStream<RunEvent> {
    return new EventStream<RunEvent>({
      open,
      signal,
      runId,
      after,
      parse: parseRunEvent,
      isLast: isTerminal,
      isPause: (event) => event.type === "waiting",
      onLink: (link) => this.port.dispatch({ type: "link", link }),
      maxAttempts: MOST_ATTEMPTS,
    });
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

  /** The log of a run is kept for a day: after that only the stored messages tell about it. */
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
