const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

/** Milliseconds to wait before attempt `n` (0 is the first repetition): min(1000 * 2^n, 30000). */
export function backoffDelay(n: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** n, LONGEST_DELAY_MS);
}

/** Resolves after `ms`, at once when `wake` fires; rejects with the signal's reason when aborted. */
export function sleep(ms: number, signal: AbortSignal, wake: EventTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      wake.removeEventListener("online", onWake);
      settle();
    };
    const onAbort = finish(() => reject(signal.reason));
    const onWake = finish(resolve);
    const timer = setTimeout(onWake, ms);
    signal.addEventListener("abort", onAbort);
    wake.addEventListener("online", onWake);
    if (signal.aborted) onAbort();
  });
}

/** Calls `bark` when `feed` was not called for `ms`. */
export class Watchdog {
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ms: number,
    private readonly bark: () => void,
  ) {
    this.feed();
  }

  feed(): void {
    this.stop();
    this.#timer = setTimeout(this.bark, this.ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
