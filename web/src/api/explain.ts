import { ApiError, ConnectionLostError } from "@millrace/client";

/** Returns a sentence for the user, with the id that support needs to find the request. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) {
    return error.requestId ? `${error.message} (request ${error.requestId})` : error.message;
  }
  if (error instanceof TypeError || error instanceof ConnectionLostError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}
