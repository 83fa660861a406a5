/** A hidden page draws no frames. Its state is updated at this interval. */
const HIDDEN_MS = 250;

/** State that is kept up to date while the page is open, and reported to React once per animation frame. */
export abstract class Session<State extends { readonly error: Error | null }> {
  readonly #listeners = new Set<() => void>();
  #cancel: (() => void) | null = null;
  #drawn: State;
  #scope = new AbortController();

  constructor(protected state: State) {
    this.#drawn = state;
  }

  /** Runs while the page is open. */
  protected abstract run(signal: AbortSignal): Promise<void>;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly getState = (): State => this.#drawn;

  /** Returns a function that closes every connection and ends all reports. */
  readonly open = (): (() => void) => {
    this.#scope = new AbortController();
    void this.guard((signal) => this.run(signal));
    return () => {
      this.#scope.abort();
      this.#cancel?.();
      this.#cancel = null;
    };
  };

  /** Runs a task while the page is open. Never throws: errors are part of the state. */
  protected async guard(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#scope;
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) this.set({ error: error as Error } as Partial<State>);
    }
  }

  protected set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    this.#cancel ??= onNextFrame(() => {
      this.#cancel?.();
      this.#cancel = null;
      this.#drawn = this.state;
      for (const listener of this.#listeners) listener();
    });
  }
}

function onNextFrame(run: () => void): () => void {
  const frame = globalThis.requestAnimationFrame?.(run);
  const timer = setTimeout(run, HIDDEN_MS);
  return () => {
    globalThis.cancelAnimationFrame?.(frame);
    clearTimeout(timer);
  };
}
