import { ApiError, apiErrorFrom } from "../errors.js";
import { numberOf, runIdOf } from "../events.js";
import { Attempt, ignore } from "./attempt.js";
import { asLoss, delayBefore, isFinal, sleep } from "./retries.js";
import { sseParser } from "./sse.js";

/** How far a stream was received, which a request needs to continue from there. */
export interface Position {
  /** The run of the stream, as soon as the server has named it. */
  readonly runId: string | null;
  readonly lastEventId: string | null;
}

export type LinkState = "connecting" | "open" | "waiting";

export interface FollowOptions<Event> {
  /** Sends the request that starts or continues the stream. Called again after each lost connection. */
  open(position: Position, signal: AbortSignal): Promise<Response>;
  /** Awaited before each request for as long as it takes, for example until a user has signed in again. */
  ready?(): Promise<void>;
  /** Parses an event. Null for an event that is to be skipped. */
  parse(data: string): Event | null;
  /** Whether the stream ends with this event. By default, it ends when the server has nothing more. */
  isLast?(event: Event): boolean;
  /** Whether the connection may end after this event without counting as lost. */
  isPause?(event: Event): boolean;
  onLink?(state: LinkState): void;
  signal: AbortSignal;
  /** The run to continue. */
  runId?: string | null | undefined;
  /** The id of the last event seen; the stream continues after it. */
  after?: string | null | undefined;
  /** The number of attempts in a row that may bring nothing new. */
  maxAttempts?: number;
  /** The longest silence. The server sends a heartbeat every 5 s. */
  silenceMs?: number;
  /** The longest wait for the response's headers, which is longer than a cold start. */
  openMs?: number;
  /** A target whose `online` event ends a wait at once. */
  wake?: EventTarget;
}

export interface Received<Event> {
  readonly event: Event;
  /** Null for an event that cannot be resumed from. */
  readonly id: string | null;
}

/**
 * Yields the events of a stream, each once and in order, over as many connections as necessary. Returns after the last
 * event, or when the server has nothing more (204).
 *
 * Reads only when the caller asks for events: a slow reader slows down the connection, and if the server cuts it in the
 * meantime, it is resumed. When the iteration ends, the connection is closed.
 *
 * Throws ApiError if the server permanently refuses, ConnectionLostError after `maxAttempts` in a row without progress,
 * and the signal's reason if aborted.
 */
export async function* follow<Event>(options: FollowOptions<Event>): AsyncGenerator<Received<Event>, void, void> {
  const { signal, maxAttempts = 5, wake = globalThis.window as EventTarget | undefined } = options;
  const reader = new StreamReader(options);
  for (let failures = 0; ; failures += 1) {
    reader.announce("connecting");
    let failure: unknown;
    try {
      if (yield* reader.connect()) return;
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error)) throw error;
      failure = error;
    }
    if (reader.hasProgressed) failures = 0;
    if (failures >= maxAttempts) throw asLoss(failure);
    reader.announce("waiting");
    await sleep(delayBefore(failures, failure), signal, wake);
  }
}

class StreamReader<Event> {
  #position: Position;
  #isPaused = false;
  /** Whether the last connection received anything, even a heartbeat. */
  hasProgressed = false;

  constructor(private readonly options: FollowOptions<Event>) {
    this.#position = { runId: options.runId ?? null, lastEventId: options.after ?? null };
  }

  announce(state: LinkState): void {
    if (state === "open" || !this.#isPaused) this.options.onLink?.(state);
  }

  /** Reads one connection to its end. Returns true if nothing more will come. */
  async *connect(): AsyncGenerator<Received<Event>, boolean, void> {
    const { openMs = 30_000, silenceMs = 15_000 } = this.options;
    const attempt = new Attempt(this.options.signal);
    this.hasProgressed = false;
    try {
      if (this.options.ready) await attempt.unlessAborted(this.options.ready());
      const opening = this.options.open(this.#position, attempt.signal);
      const response = await attempt.within(openMs, opening, (late) => void late.body?.cancel().catch(ignore));
      if (response.status === 204) return true;
      const reader = attempt.read(await eventStream(response));
      this.#learnRun(response.headers.get("X-Run-Id"));
      this.announce("open");
      const parse = sseParser();
      for (;;) {
        const { done, value } = await attempt.within(silenceMs, reader.read());
        if (done) return false;
        for (const { id = null, data } of parse(value)) {
          const event = this.#receive(data, id);
          if (event) yield { event, id };
          if (event && this.options.isLast?.(event)) return true;
        }
      }
    } finally {
      attempt.end();
    }
  }

  /** Returns the event, unless it was received before or is a heartbeat. */
  #receive(data: string, id: string | null): Event | null {
    const isHeartbeat = HEARTBEAT.test(data);
    if (!isHeartbeat && this.#isOld(id)) return null;
    this.hasProgressed = true;
    if (id !== null) this.#position = { runId: runIdOf(id) || this.#position.runId, lastEventId: id };
    const event = isHeartbeat ? null : this.options.parse(data);
    if (event) this.#isPaused = this.options.isPause?.(event) ?? false;
    return event;
  }

  #isOld(id: string | null): boolean {
    const last = this.#position.lastEventId;
    return id !== null && last !== null && runIdOf(id) === runIdOf(last) && numberOf(id) <= numberOf(last);
  }

  #learnRun(runId: string | null): void {
    if (runId && !this.#position.runId) this.#position = { ...this.#position, runId };
  }
}

const HEARTBEAT = /^\{"type": ?"heartbeat"/;

async function eventStream(response: Response): Promise<ReadableStream<Uint8Array>> {
  if (!response.ok) throw await apiErrorFrom(response);
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("text/event-stream") && response.body) return response.body;
  void response.body?.cancel().catch(ignore);
  throw new ApiError(415, "not_a_stream", `The answer is no event stream but "${type}". Is \`baseUrl\` the address of the API?`);
}
