import { ConnectionLostError } from "../errors.js";

/** A request and its body, with everything that has to be released at the end. */
export class Attempt {
  readonly #controller = new AbortController();
  readonly #aborted: Promise<never>;
  readonly #cancel = () => this.#controller.abort(this.outer?.reason);
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(private readonly outer: AbortSignal | undefined) {
    // Aborted fetches reject by themselves in browsers; this does not rely on it.
    this.#aborted = new Promise((_, reject) => {
      this.signal.addEventListener("abort", () => reject(this.signal.reason), { once: true });
    });
    this.#aborted.catch(ignore);
    outer?.addEventListener("abort", this.#cancel);
    if (outer?.aborted) this.#cancel();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  read(body: ReadableStream<Uint8Array>): ReadableStreamDefaultReader<Uint8Array> {
    this.#reader = body.getReader();
    return this.#reader;
  }

  /** Returns the promise's value, or ends the attempt if it takes too long. `onLate` gets a value that arrives later. */
  async within<Value>(ms: number, promise: Promise<Value>, onLate: (value: Value) => void = ignore): Promise<Value> {
    const timer = setTimeout(() => this.#controller.abort(new ConnectionLostError(`The server sent nothing for ${ms / 1000} seconds.`)), ms);
    promise.then((value) => this.signal.aborted && onLate(value), ignore);
    try {
      return await this.unlessAborted(promise);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns the promise's value. Rejects as soon as the attempt is aborted. */
  unlessAborted<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, this.#aborted]);
  }

  end(): void {
    this.outer?.removeEventListener("abort", this.#cancel);
    this.#controller.abort();
    this.#reader?.cancel().catch(ignore);
  }
}

export function ignore(): void {}
