/** The base class of all errors of this package. */
export class MillraceError extends Error {
  override name = "MillraceError";
}

/** No response, or no connection, within the allowed time and attempts. */
export class ConnectionLostError extends MillraceError {
  override name = "ConnectionLostError";
}

/** A response whose status is not 2xx. `code` says what is wrong; `details` has all fields of the error. */
export class ApiError extends MillraceError {
  override name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null = null,
    readonly retryAfterMs: number | null = null,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }

  /** Whether the same request may succeed later. */
  get isTransient(): boolean {
    return this.status === 429 || this.status === 408 || this.status >= 500;
  }
}

/** 400, 413, 415, 422 and so on: the request is invalid. */
export class InvalidRequestError extends ApiError {}

/** 401: the token is missing, invalid or has expired, and was not renewed. */
export class AuthenticationError extends ApiError {}

/** 403: the token is valid but does not allow this. */
export class PermissionDeniedError extends ApiError {}

/** 404, 410: the resource does not exist, was deleted, or belongs to another organization. */
export class NotFoundError extends ApiError {}

/** 409: the request conflicts with the state of the resource. */
export class ConflictError extends ApiError {}

/** 409 `run_active`: the agent is still answering. Send with `ifBusy`, or inject. */
export class RunActiveError extends ConflictError {}

/** 409 `run_waiting`: the run waits for people; `details.calls` lists the open calls. */
export class RunWaitingError extends ConflictError {}

/** 409 `not_streaming`: no run is active. */
export class NotStreamingError extends ConflictError {}

/** 409 `already_answered`: the first answer counts, which is `details.answer`. */
export class AlreadyAnsweredError extends ConflictError {}

/** 429: too many requests. `retryAfterMs` says when to retry. */
export class RateLimitError extends ApiError {}

/** 5xx: the server failed. */
export class ServerError extends ApiError {}

const CLASSES: Readonly<Record<string, typeof ApiError>> = {
  run_active: RunActiveError,
  run_waiting: RunWaitingError,
  not_streaming: NotStreamingError,
  already_answered: AlreadyAnsweredError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  410: NotFoundError,
  429: RateLimitError,
};

/** Parses `{"error": {code, message, requestId}}`, and accepts any other body, such as a proxy's HTML page. */
export async function apiErrorFrom(response: Response): Promise<ApiError> {
  const { status, headers } = response;
  const details = await errorFields(response);
  const text = (name: string): string | null => (typeof details[name] === "string" ? details[name] : null);
  const code = text("code") ?? `http_${status}`;
  const Class = CLASSES[code] ?? CLASSES[status] ?? (status < 500 ? InvalidRequestError : ServerError);
  const message = text("message") ?? `The answer has status ${status} and gives no reason: it may come from a proxy in between.`;
  const requestId = text("requestId") ?? headers.get("X-Request-Id");
  return new Class(status, code, message, requestId, retryAfter(headers), details);
}

async function errorFields(response: Response): Promise<Record<string, unknown>> {
  try {
    const body = (await response.json()) as { error?: unknown } | null;
    return typeof body?.error === "object" ? { ...body.error } : {};
  } catch {
    return {};
  }
}

/** Parses the header, which has seconds or a date, into milliseconds. */
function retryAfter(headers: Headers): number | null {
  const value = headers.get("Retry-After");
  if (!value) return null;
  const ms = Number(value) * 1000 || Date.parse(value) - Date.now();
  return ms > 0 ? ms : null;
}
