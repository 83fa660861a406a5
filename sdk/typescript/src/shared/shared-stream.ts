import { newId } from "../api/transport.js";
import { Attempt } from "../stream/attempt.js";
import type { EventStream } from "../stream/event-stream.js";
import type { Received } from "../stream/follow.js";
import { EventLog } from "./event-log.js";
import { withSlot } from "./slots.js";

export interface SharedOptions<Event> {
  /** Pages of one origin that use the same name share a connection. It must also name the user: see `scopeOf`. */
  readonly name: string;
  /** Opens the stream after the last event that was received. Called in one page at a time. */
  open(after: string | null): EventStream<Event>;
  /** The id of the last event seen. By default, the stream starts at its beginning. */
  readonly after?: string | null | undefined;
  /** Ends the stream, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

type Note<Event> =
  | { readonly type: "event"; readonly received: Received<Event> }
  /** A page has joined, or has lost the reading page. */
  | { readonly type: "join"; readonly from: string; readonly after: string | null }
  /** The answer to a page that has joined; null if some of the missed events are unknown. */
  | { readonly type: "backlog"; readonly to: string; readonly missed: readonly Received<Event>[] | null }
  /** Another page is now the reading page. */
  | { readonly type: "reader" }
  | { readonly type: "alive" }
  | { readonly type: "end" };

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };
const ALIVE_MS = 5000;
/** After this silence of the reading page, a visible page replaces it, because browsers freeze hidden pages. */
const SILENT_MS = 20_000;

/**
 * The events of a stream in all pages of a browser that need them, over one connection: one page reads and passes the
 * events on. When it closes, another one continues after the last event. If the browser does not support this (Web
 * Locks and BroadcastChannel require a secure context), each page reads by itself.
 */
export class SharedStream<Event> implements AsyncIterableIterator<Event, undefined> {
  readonly #id = newId();
  readonly #scope: Attempt;
  readonly #competition: Attempt;
  readonly #log: EventLog<Event>;
  readonly #channel: BroadcastChannel | null;
  readonly #waiting: Received<Event>[] = [];
  #wake: () => void = () => undefined;
  #failure: { readonly error: unknown } | null = null;
  #isEnded = false;
  /** Whether this page reads for all. */
  #reading: Attempt | null = null;
  /** Whether this page reads by itself, because the reading page cannot provide all events. */
  #isAlone = false;
  /** Whether all events up to the latest were received, so that the next one can be added. */
  #isSynced = false;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** The id of the last event that was yielded, null if it has none. */
  eventId: string | null = null;
  /** The last id that was yielded, after which another stream can continue. */
  lastEventId: string | null;

  constructor(private readonly options: SharedOptions<Event>) {
    this.#scope = new Attempt(options.signal);
    this.#competition = new Attempt(this.#scope.signal);
    this.lastEventId = options.after ?? null;
    this.#log = new EventLog(this.lastEventId);
    const canShare = globalThis.navigator?.locks && globalThis.BroadcastChannel;
    this.#channel = canShare ? new BroadcastChannel(`millrace:${options.name}`) : null;
    this.#scope.signal.addEventListener("abort", () => this.#end());
    this.#run().then(
      () => this.#end(),
      (error: unknown) => this.#end({ error }),
    );
  }

  async next(): Promise<IteratorResult<Event, undefined>> {
    while (this.#waiting.length === 0 && !this.#isEnded) await new Promise<void>((resolve) => (this.#wake = resolve));
    const received = this.#waiting.shift();
    if (received) {
      this.eventId = received.id;
      this.lastEventId = received.id ?? this.lastEventId;
      return { done: false, value: received.event };
    }
    const failure = this.#failure;
    this.#failure = null;
    if (failure) throw failure.error;
    return END;
  }

  /** Leaves the stream. Another page that needs it continues reading. */
  abort(): void {
    this.#waiting.length = 0;
    this.#end();
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.abort();
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #run(): Promise<void> {
    if (!this.#channel) return this.#read(this.#scope.signal);
    this.#channel.onmessage = ({ data }) => this.#note(data as Note<Event>);
    this.#join();
    while (!this.#isEnded && !this.#isAlone) await this.#compete({ signal: this.#competition.signal });
    if (this.#isAlone) await this.#read(this.#scope.signal);
  }

  /** Waits until no other page reads, then reads. */
  async #compete(options: LockOptions): Promise<void> {
    const lead = () => withSlot(this.#scope.signal, (room) => this.#lead(room));
    try {
      await navigator.locks.request(`millrace:${this.options.name}`, options, lead);
    } catch (error) {
      // Another page has replaced this one, or there is nothing left to wait for.
      if ((error as Error).name !== "AbortError") throw error;
      this.#reading?.end();
    }
  }

  async #lead(room: AbortSignal): Promise<void> {
    const reading = new Attempt(room);
    this.#isSynced = true;
    this.#reading = reading;
    clearTimeout(this.#silence);
    this.#post({ type: "reader" });
    const alive = setInterval(() => this.#post({ type: "alive" }), ALIVE_MS);
    try {
      await this.#read(reading.signal);
      if (reading.signal.aborted) return;
      this.#post({ type: "end" });
      this.#end();
    } finally {
      clearInterval(alive);
      reading.end();
      this.#reading = null;
    }
  }

  /** Reads to the end of the stream, or until the signal is aborted. */
  async #read(signal: AbortSignal): Promise<void> {
    const stream = this.options.open(this.#log.lastId);
    const stop = () => stream.abort();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      for await (const event of stream) {
        const received = { event, id: stream.eventId };
        this.#receive(received);
        this.#post({ type: "event", received });
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  #note(note: Note<Event>): void {
    if (note.type === "join") return this.#answer(note.from, note.after);
    if (note.type === "backlog" && note.to !== this.#id) return;
    this.#expectMore();
    if (note.type === "event" && this.#isSynced) this.#receive(note.received);
    if (note.type === "backlog") this.#catchUp(note.missed);
    if (note.type === "reader") this.#follow();
    if (note.type === "end" && this.#isSynced) this.#end();
  }

  #answer(to: string, after: string | null): void {
    if (this.#reading) this.#post({ type: "backlog", to, missed: this.#log.after(after) });
  }

  /** Adds the events of the new reader once the missed ones before them have arrived. */
  #follow(): void {
    this.#reading?.end();
    this.#join();
  }

  #join(): void {
    this.#isSynced = false;
    this.#expectMore();
    this.#post({ type: "join", from: this.#id, after: this.#log.lastId });
  }

  #catchUp(missed: readonly Received<Event>[] | null): void {
    if (!missed) return this.#leave();
    this.#isSynced = true;
    for (const received of missed) this.#receive(received);
  }

  #leave(): void {
    this.#isAlone = true;
    this.#channel?.close();
    clearTimeout(this.#silence);
    this.#competition.end();
  }

  #expectMore(): void {
    clearTimeout(this.#silence);
    if (this.#reading) return;
    this.#silence = setTimeout(() => this.#replaceReader(), SILENT_MS);
  }

  #replaceReader(): void {
    if (globalThis.document?.hidden) return this.#expectMore();
    this.#compete({ steal: true }).catch((error: unknown) => this.#end({ error }));
  }

  #receive(received: Received<Event>): void {
    if (!this.#log.add(received)) return;
    this.#waiting.push(received);
    this.#wake();
  }

  #post(note: Note<Event>): void {
    if (!this.#isEnded && !this.#isAlone) this.#channel?.postMessage(note);
  }

  #end(failure: { readonly error: unknown } | null = null): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const { signal } = this.options;
    this.#failure = signal?.aborted ? { error: signal.reason } : failure;
    clearTimeout(this.#silence);
    this.#channel?.close();
    this.#scope.end();
    this.#wake();
  }
}
