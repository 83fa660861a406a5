import { Attempt, ignore } from "./attempt.js";
import { type FollowOptions, type Received, follow } from "./follow.js";

/** Options of any stream, which have sensible defaults. */
export interface StreamOptions
  extends Pick<FollowOptions<unknown>, "maxAttempts" | "silenceMs" | "openMs" | "onLink" | "wake"> {
  /** Ends the stream, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

type Item<Event> = IteratorResult<Event, undefined>;
const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The events of a stream for `for await`, each once and in order. It reconnects by itself, after the last event that
 * it yielded. Leaving the loop, or `abort()` from anywhere, closes the connection; the run continues.
 */
export class EventStream<Event> implements AsyncIterableIterator<Event, undefined> {
  readonly #scope: Attempt;
  readonly #events: AsyncGenerator<Received<Event>, void, void>;
  #first: Item<Event> | undefined;
  #isAborted = false;
  /** The id of the last event that was yielded, null if it has none. */
  eventId: string | null = null;
  /** The last id that was yielded, after which another stream can continue. */
  lastEventId: string | null;

  constructor({ signal, ...options }: Omit<FollowOptions<Event>, "signal"> & StreamOptions) {
    this.#scope = new Attempt(signal);
    this.#events = follow({ ...options, signal: this.#scope.signal });
    this.lastEventId = options.after ?? null;
  }

  /** Waits for the first event, and throws if the server refuses the request. */
  async start(): Promise<this> {
    this.#first = await this.next();
    return this;
  }

  async next(): Promise<Item<Event>> {
    const first = this.#first;
    this.#first = undefined;
    if (first) return this.#isAborted ? END : first;
    try {
      const { done, value } = await this.#events.next();
      if (done || this.#isAborted) return this.#end();
      this.eventId = value.id;
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
    this.#scope.end();
    this.#events.return().catch(ignore);
    return END;
  }
}
