import { ApiError, ConnectionLostError, MillraceError } from "../errors.js";

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;
/** A server that wants to be left alone for longer is not waited for. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** Milliseconds to wait before attempt `n` (0 is the first repetition), at most: min(1000 * 2^n, 30000). */
export function backoffDelay(n: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** n, LONGEST_DELAY_MS);
}

/**
 * Milliseconds to wait before attempt `n` after a failure: with jitter, between the half and the whole of the delay, so
 * that many clients do not come back at once, but not less than the server wants.
 */
export function delayBefore(n: number, failure: unknown): number {
  return Math.max(backoffDelay(n) * (1 - Math.random() / 2), retryAfterOf(failure));
}

/** Whether no repetition would change the error. */
export function isFinal(error: unknown): boolean {
  if (error instanceof ApiError) return !error.isTransient || retryAfterOf(error) > LONGEST_RETRY_AFTER_MS;
  return error instanceof MillraceError && !(error instanceof ConnectionLostError);
}

function retryAfterOf(failure: unknown): number {
  return (failure instanceof ApiError && failure.retryAfterMs) || 0;
}

/** Resolves after `ms`, at once when `wake` fires `online`; rejects with the signal's reason when aborted. */
export function sleep(ms: number, signal?: AbortSignal | null, wake?: EventTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      wake?.removeEventListener("online", end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    wake?.addEventListener("online", end);
    if (signal?.aborted) end();
  });
}

/** What a caller is told when there was no more to try. */
export function asLoss(failure: unknown): Error {
  if (failure instanceof MillraceError) return failure;
  return new ConnectionLostError("The server cannot be reached. Check the connection and the address, then try again.", { cause: failure });
}
