const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

/** Milliseconds to wait before attempt `n` (0 is the first repetition), at most: min(1000 * 2^n, 30000). */
export function backoffDelay(n: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** n, LONGEST_DELAY_MS);
}

/** The delay with jitter, between its half and its whole, so that many clients do not come back at once. */
export function jitteredDelay(n: number): number {
  return backoffDelay(n) * (1 - Math.random() / 2);
}

/** Resolves after `ms`, at once when `wake` fires `online`; rejects with the signal's reason when aborted. */
export function sleep(ms: number, signal?: AbortSignal | null, wake?: EventTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      wake?.removeEventListener("online", onWake);
      settle();
    };
    const onAbort = finish(() => reject(signal?.reason));
    const onWake = finish(resolve);
    const timer = setTimeout(onWake, ms);
    signal?.addEventListener("abort", onAbort);
    wake?.addEventListener("online", onWake);
    if (signal?.aborted) onAbort();
  });
}
