import { type FollowOptions, type Received, follow } from "./follow.js";

type Item<Event> = IteratorResult<Event, undefined>;
const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The events of one stream, each once and in order, for `for await`. Reconnects by itself, from the last event that
 * was handed over. Leaving the loop, or `abort()` from anywhere, closes the connection; the run goes on.
 */
export class EventStream<Event> implements AsyncIterableIterator<Event, undefined> {
  readonly #controller = new AbortController();
  readonly #events: AsyncGenerator<Received<Event>, void, void>;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer?.reason);
  #first: Item<Event> | null = null;
  #isEnded = false;
  #isAborted = false;
  /** The id of the event that was handed over last: where another stream can go on. */
  lastEventId: string | null;

  constructor({ signal, ...options }: Omit<FollowOptions<Event>, "signal"> & { signal?: AbortSignal | undefined }) {
    this.#outer = signal;
    this.lastEventId = options.position?.lastEventId ?? null;
    this.#events = follow({ ...options, signal: this.#controller.signal });
    signal?.addEventListener("abort", this.#onOuterAbort);
    if (signal?.aborted) this.#onOuterAbort();
  }

  /** Waits for the first event, so that what the server refuses is thrown here. */
  async start(): Promise<this> {
    this.#first = await this.next();
    return this;
  }

  async next(): Promise<Item<Event>> {
    const first = this.#first;
    this.#first = null;
    if (first) return first;
    try {
      const { done, value } = await this.#events.next();
      if (done || this.#isEnded) return this.#end();
      this.lastEventId = value.id ?? this.lastEventId;
      return { done: false, value: value.event };
    } catch (error) {
      this.#end();
      if (this.#isAborted) return END;
      throw error;
    }
  }

  /** Closes the connection. The iteration ends without an error. */
  abort(): void {
    this.#isAborted = true;
    this.#end();
  }

  async return(): Promise<Item<Event>> {
    this.abort();
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): Item<Event> {
    this.#isEnded = true;
    this.#first = null;
    this.#outer?.removeEventListener("abort", this.#onOuterAbort);
    this.#controller.abort();
    this.#events.return().catch(() => undefined);
    return END;
  }
}
