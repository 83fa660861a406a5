/** An answer with a status that is not 2xx, in the one error shape of all functions. */
export class HttpError extends Error {
  override name = "HttpError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null = null,
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }

  /** Whether the same request may succeed a little later. */
  get isTransient(): boolean {
    return this.status === 429 || this.status === 408 || this.status >= 500;
  }
}

/** No connection within the allowed attempts. */
export class ConnectionLostError extends Error {
  override name = "ConnectionLostError";
}

/** Reads `{"error": {code, message, requestId}}`; copes with any other body, such as a proxy's HTML page. */
export async function httpErrorFrom(response: Response): Promise<HttpError> {
  const error = await errorFields(response);
  const text = (name: string): string | null => (typeof error[name] === "string" ? (error[name] as string) : null);
  return new HttpError(
    response.status,
    text("code") ?? `http_${response.status}`,
    text("message") ?? `The server answered with status ${response.status}.`,
    text("requestId"),
    retryAfter(response),
  );
}

async function errorFields(response: Response): Promise<Record<string, unknown>> {
  try {
    const body = (await response.json()) as { error?: Record<string, unknown> } | null;
    return typeof body?.error === "object" ? (body.error ?? {}) : {};
  } catch {
    return {};
  }
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get("Retry-After") ?? "");
  return seconds > 0 ? seconds * 1000 : null;
}
