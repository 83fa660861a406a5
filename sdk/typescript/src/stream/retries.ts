import { ApiError, ConnectionLostError, MillraceError } from "../errors.js";

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;
/** If a server asks for a longer wait than this, the request is not retried. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** The maximum milliseconds to wait before retry `n` (from 0): min(1000 * 2^n, 30000). */
export function backoffDelay(n: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** n, LONGEST_DELAY_MS);
}

/**
 * The milliseconds to wait before retry `n` after a failure: between half and all of the delay, so that clients do not
 * all come back at once, but at least as long as the server asks for.
 */
export function delayBefore(n: number, failure: unknown): number {
  return Math.max(backoffDelay(n) * (1 - Math.random() / 2), retryAfterOf(failure));
}

/** Whether retrying cannot change the error. */
export function isFinal(error: unknown): boolean {
  if (error instanceof ApiError) return !error.isTransient || retryAfterOf(error) > LONGEST_RETRY_AFTER_MS;
  return error instanceof MillraceError && !(error instanceof ConnectionLostError);
}

function retryAfterOf(failure: unknown): number {
  return (failure instanceof ApiError && failure.retryAfterMs) || 0;
}

/** Resolves after `ms`, or at once when `wake` fires `online`. Rejects with the signal's reason if aborted. */
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

/** The error after the last attempt has failed. */
export function asLoss(failure: unknown): Error {
  if (failure instanceof MillraceError) return failure;
  return new ConnectionLostError("The server cannot be reached. Check the connection and the address, then try again.", { cause: failure });
}
