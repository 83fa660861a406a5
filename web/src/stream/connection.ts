import { Watchdog, backoffDelay, sleep } from "./clock";
import { ConnectionLostError, HttpError, httpErrorFrom } from "./errors";
import { type RunEvent, isTerminal, numberOf, parseRunEvent } from "./events";
import { SseLimitError, SseParser } from "./sse";

/** How far a run was received: what a request needs to go on from there. */
export interface Position {
  readonly runId: string | null;
  readonly lastEventId: string | null;
}

export type LinkState = "connecting" | "open" | "waiting";

export interface FollowOptions {
  /** Sends the request that starts, or goes on with, the run. Called again after each lost connection. */
  open(position: Position, signal: AbortSignal): Promise<Response>;
  /** `number` is the event's place in its run, null for one that has none. */
  onEvent(event: RunEvent, number: number | null): void;
  onLink?(state: LinkState): void;
  signal: AbortSignal;
  position?: Position;
  /** Repetitions in a row that may bring nothing new. */
  maxAttempts?: number;
  /** Longest silence; the server sends a heartbeat every 5 s. */
  silenceMs?: number;
  /** Longest wait for the response's headers: a cold start passes, a dead network does not. */
  openMs?: number;
  /** Its `online` event ends a wait at once. */
  wake?: EventTarget;
}

/** `ended`: the run's last event was received. `nothing`: the server has nothing more (204). */
export type Outcome = "ended" | "nothing";

const START: Position = { runId: null, lastEventId: null };

/**
 * Receives the events of one run, each once and in order, over as many connections as it takes.
 *
 * Throws HttpError when the server refuses for good, ConnectionLostError when `maxAttempts` in a row brought
 * nothing, and the signal's reason when aborted.
 */
export async function follow(options: FollowOptions): Promise<Outcome> {
  const { signal, maxAttempts = 8, wake = globalThis.window ?? new EventTarget() } = options;
  const reader = new RunReader(options);
  for (let failures = 0; ; failures += 1) {
    if (!reader.isPaused) options.onLink?.("connecting");
    const result = await reader.attempt();
    if (result.outcome) return result.outcome;
    if (result.hasProgressed) failures = 0;
    if (failures >= maxAttempts) throw finalError(result.error);
    if (!reader.isPaused) options.onLink?.("waiting");
    await sleep(delayBefore(failures, result.error), signal, wake);
  }
}

function finalError(error: unknown): Error {
  return error instanceof HttpError ? error : new ConnectionLostError("The connection to the server was lost.");
}

function delayBefore(failures: number, error: unknown): number {
  const wanted = error instanceof HttpError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(backoffDelay(failures), Math.min(wanted, backoffDelay(Infinity)));
}

interface Attempt {
  readonly outcome?: Outcome;
  readonly error?: unknown;
  readonly hasProgressed: boolean;
}

class RunReader {
  #position: Position;
  #hasProgressed = false;
  /** The run waits for people: its streams end, and that is no loss of a connection. */
  isPaused = false;

  constructor(private readonly options: FollowOptions) {
    this.#position = options.position ?? START;
  }

  /** One connection, to its end. Throws what no repetition would change. */
  async attempt(): Promise<Attempt> {
    this.#hasProgressed = false;
    const attempt = new AbortController();
    const cancel = () => attempt.abort(this.options.signal.reason);
    this.options.signal.addEventListener("abort", cancel);
    try {
      this.options.signal.throwIfAborted();
      const outcome = await this.#connect(attempt);
      return { hasProgressed: this.#hasProgressed, ...(outcome && { outcome }) };
    } catch (error) {
      this.options.signal.throwIfAborted();
      if (isFinal(error)) throw error;
      return { error, hasProgressed: this.#hasProgressed };
    } finally {
      this.options.signal.removeEventListener("abort", cancel);
      attempt.abort();
    }
  }

  async #connect(attempt: AbortController): Promise<Outcome | null> {
    const { silenceMs = 15_000, openMs = 30_000 } = this.options;
    const opening = new Watchdog(openMs, () => attempt.abort(new Error("No answer from the server.")));
    const response = await this.options.open(this.#position, attempt.signal).finally(() => opening.stop());
    const watchdog = new Watchdog(silenceMs, () => attempt.abort(new Error("The connection is silent.")));
    return this.#receive(response, attempt.signal, watchdog).finally(() => watchdog.stop());
  }

  async #receive(response: Response, signal: AbortSignal, watchdog: Watchdog): Promise<Outcome | null> {
    if (response.status === 204) return "nothing";
    if (!response.ok) throw await httpErrorFrom(response);
    const body = eventStream(response);
    this.options.onLink?.("open");
    return this.#read(body, signal, watchdog);
  }

  async #read(body: ReadableStream<Uint8Array>, signal: AbortSignal, watchdog: Watchdog): Promise<Outcome | null> {
    const parser = new SseParser();
    const reader = body.getReader();
    const aborted = rejectionOf(signal);
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), aborted]);
      if (done) return null;
      watchdog.feed();
      for (const message of parser.push(value)) {
        if (this.#take(message.data, message.id)) return "ended";
      }
    }
  }

  /** Passes one event on, unless it was received before. Returns true for the last one of the run. */
  #take(data: string, id: string | null): boolean {
    const event = parseRunEvent(data);
    if (!event) return false;
    if (event.type === "heartbeat") {
      this.#hasProgressed = true;
      return false;
    }
    if (this.#isOld(id)) return false;
    this.#hasProgressed = true;
    const runId = event.type === "start" ? event.runId : this.#position.runId;
    this.#position = { runId, lastEventId: id ?? this.#position.lastEventId };
    this.isPaused = event.type === "waiting";
    this.options.onEvent(event, id === null ? null : numberOf(id));
    return isTerminal(event);
  }

  #isOld(id: string | null): boolean {
    const last = this.#position.lastEventId;
    return id !== null && last !== null && numberOf(id) <= numberOf(last);
  }
}

/** Aborted streams reject by themselves in browsers; this does not depend on it. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  const rejection = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  rejection.catch(() => undefined);
  return rejection;
}

function isFinal(error: unknown): boolean {
  return error instanceof SseLimitError || (error instanceof HttpError && !error.isTransient);
}

function eventStream(response: Response): ReadableStream<Uint8Array> {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("text/event-stream") && response.body) return response.body;
  throw new HttpError(415, "not_a_stream", `The server answered with "${type}" instead of an event stream.`);
}
