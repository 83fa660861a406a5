import { Attempt } from "../stream/attempt.js";

/** Streams that all pages of a browser may hold open together. HTTP/1.1 allows six connections, and calls need some. */
const MOST_STREAMS = 4;
const CHANNEL = "millrace:slots";

/** Asks hidden pages to make room for this one, and makes room itself. */
export class Room {
  readonly #controller = new AbortController();
  readonly #channel = globalThis.BroadcastChannel ? new BroadcastChannel(CHANNEL) : null;
  readonly #screen = globalThis.document as Document | undefined;
  readonly #ask = () => void (this.#screen?.hidden || this.#channel?.postMessage("room"));

  /** Asks at once if this page is visible, otherwise when it becomes visible. */
  constructor() {
    this.#screen?.addEventListener("visibilitychange", this.#ask);
    this.#ask();
  }

  /** Called when there is room. The signal is aborted when this page is hidden and a visible one asks. */
  hold(): AbortSignal {
    this.#screen?.removeEventListener("visibilitychange", this.#ask);
    if (this.#channel) this.#channel.onmessage = () => void (this.#screen?.hidden && this.#controller.abort());
    return this.#controller.signal;
  }

  end(): void {
    this.#screen?.removeEventListener("visibilitychange", this.#ask);
    this.#channel?.close();
  }
}

/**
 * Runs `use` while this page may hold another stream open. If a visible page needs the slot, the signal passed to `use`
 * is aborted, as it is by `signal`. Throws the reason of `signal` if it is aborted before there is room.
 */
export async function withSlot<Result>(signal: AbortSignal, use: (room: AbortSignal) => Promise<Result>): Promise<Result> {
  const room = new Room();
  const scope = new Attempt(signal);
  const stop = () => scope.end();
  try {
    return await anySlot(scope.signal, () => {
      room.hold().addEventListener("abort", stop);
      return use(scope.signal);
    });
  } finally {
    scope.end();
    room.end();
  }
}

/** Waits for the first free slot. */
function anySlot<Result>(signal: AbortSignal, use: () => Promise<Result>): Promise<Result> {
  const others = new AbortController();
  let isTaken = false;
  return new Promise((resolve, reject) => {
    const stop = () => {
      others.abort();
      if (!isTaken) reject(signal.reason);
    };
    const take = async () => {
      if (isTaken || signal.aborted) return;
      isTaken = true;
      signal.removeEventListener("abort", stop);
      others.abort();
      await use().then(resolve, reject);
    };
    signal.addEventListener("abort", stop);
    if (signal.aborted) return stop();
    for (let slot = 0; slot < MOST_STREAMS; slot += 1) {
      navigator.locks.request(`millrace:slot:${slot}`, { signal: others.signal }, take).catch(() => undefined);
    }
  });
}
