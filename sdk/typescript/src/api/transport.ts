import { ApiError, MillraceError, apiErrorFrom } from "../errors.js";
import { Attempt } from "../stream/attempt.js";
import { asLoss, delayBefore, isFinal, sleep } from "../stream/retries.js";

/** Makes a bearer token. `rejected` is the one that the server no longer takes, null at first. */
export type TokenSource = (rejected: string | null) => string | Promise<string>;

/** A session that renews its tokens itself. It is asked for each request, so that its user may change. */
export interface TokenKeeper {
  token(): string | Promise<string>;
  /** A token other than the rejected one. Both may wait for a person to sign in: no timeout runs meanwhile. */
  renew(rejected: string): string | Promise<string>;
  /** The server does not take the renewed token either. */
  refused?(): void;
}

export interface ClientOptions {
  /** The address of the API, or a function that tells it for a path. Without it: where the page comes from. */
  readonly baseUrl?: string | ((path: string) => string);
  /** A bearer token or API key, or a function that makes one. It is called again when the server answers 401. */
  readonly token?: string | TokenSource | TokenKeeper;
  /** Used in place of the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Longest wait for an answer, in each attempt: 60 s. That of an agent has 15 minutes, streams limits of their own. */
  readonly timeoutMs?: number;
  /** Repetitions of a request that failed and is safe to repeat: 2. */
  readonly maxRetries?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** The same key never does the same thing twice. Made by itself where the API takes one. */
  readonly idempotencyKey?: string | undefined;
  /** The request outlives the page. */
  readonly keepalive?: boolean | undefined;
}

interface Query {
  readonly [name: string]: unknown;
}

/** POSTs that take an idempotency key, or are answered as before when they are repeated. */
const KEYED = /\/(messages|regenerate|events|inject|process|batch|answers)$/;
/** POSTs that are answered when an agent has: that may take as long as a function may run. */
const LONG = /\/(messages|regenerate|events)$/;
const LONG_MS = 15 * 60_000;
/** POSTs without a body that change nothing more when they are repeated. */
export const ACTION = /\/(start|pause|resume|stop|enable|disable|cancel)$/;

/** Limits the time that a promise may take. */
type Timed = <Value>(promise: Promise<Value>) => Promise<Value>;
const untimed: Timed = (promise) => promise;

/** HTTP with tokens, timeouts and retries. */
export class Transport {
  readonly #options: ClientOptions;
  readonly #source: TokenSource | undefined;
  readonly #keeper: TokenKeeper | undefined;
  #token: string | null = null;
  #renewal: Promise<string> | null = null;

  constructor(options: ClientOptions) {
    const { baseUrl, token } = options;
    if (baseUrl === undefined && !globalThis.location) throw new MillraceError("Give `baseUrl`, the address of the API: there is no page here whose own it could be.");
    this.#options = options;
    if (typeof token === "object") this.#keeper = token;
    else if (typeof token === "function") this.#source = token;
    else this.#token = token ?? null;
  }

  /**
   * The JSON that a request is answered with, undefined where it is empty. Repeats what is safe to repeat. Throws
   * ApiError, ConnectionLostError, and the signal's reason when aborted. What `options` has beside its own is the query.
   */
  async json<Result>(method: string, path: string, body?: unknown, options: CallOptions & Query = {}): Promise<Result> {
    const { signal, timeoutMs = method === "POST" && LONG.test(path) ? LONG_MS : (this.#options.timeoutMs ?? 60_000), idempotencyKey, keepalive = false, ...query } = options;
    const { maxRetries = 2 } = this.#options;
    const init = { ...jsonInit(method, path, body, idempotencyKey), keepalive };
    for (let failures = 0; ; failures += 1) {
      const attempt = new Attempt(signal);
      try {
        const timed: Timed = (promise) => attempt.within(timeoutMs, promise);
        const sent = this.#read<Result>(path + queryString(query), { ...init, signal: attempt.signal }, failures > 0, timed);
        return await attempt.unlessAborted(sent);
      } catch (error) {
        signal?.throwIfAborted();
        if (failures >= maxRetries || !mayRepeat(error, method, path)) throw asLoss(error);
        await sleep(delayBefore(failures, error), signal);
      } finally {
        attempt.end();
      }
    }
  }

  /** One request, whatever it is answered with; a 401 renews the token once. */
  async send(path: string, init: RequestInit = {}, timed: Timed = untimed): Promise<Response> {
    const keeper = this.#keeper;
    const timedToken = keeper ? untimed : timed;
    const token = await timedToken(this.token());
    const response = await timed(this.#fetch(path, init, token));
    if (response.status !== 401 || !(keeper ?? this.#source)) return response;
    await response.body?.cancel();
    const again = await timed(this.#fetch(path, init, await timedToken(this.token(token))));
    if (again.status === 401) keeper?.refused?.();
    return again;
  }

  /** Resolves when there is a token: a session may wait for its user. */
  async ready(): Promise<void> {
    await this.#keeper?.token();
  }

  async #read<Result>(path: string, init: RequestInit, isRepeated: boolean, timed: Timed): Promise<Result> {
    const response = await this.send(path, init, timed);
    // An earlier attempt, whose answer was lost, has deleted it.
    const isDeleted = isRepeated && init.method === "DELETE" && response.status === 404;
    if (!response.ok && !isDeleted) throw await timed(apiErrorFrom(response));
    return (isDeleted || response.status === 204 ? undefined : await timed(response.json())) as Result;
  }

  /** `fetch`, or what takes its place: it must not be called as a method. */
  get fetch(): typeof fetch {
    return this.#options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  #fetch(path: string, init: RequestInit, token: string | null): Promise<Response> {
    const { baseUrl = "" } = this.#options;
    const { fetch } = this;
    const base = typeof baseUrl === "string" ? baseUrl : baseUrl(path);
    const headers = { ...init.headers, ...(token !== null && { Authorization: `Bearer ${token}` }) };
    return fetch(base.replace(/\/$/, "") + path, { ...init, headers });
  }

  /** A token other than the rejected one, if there is another. Requests at the same time share one renewal. */
  async token(rejected: string | null = null): Promise<string | null> {
    const keeper = this.#keeper;
    const source = this.#source;
    if (keeper) return rejected === null ? keeper.token() : keeper.renew(rejected);
    if (!source || (this.#token !== null && this.#token !== rejected)) return this.#token;
    this.#renewal ??= Promise.resolve(rejected).then(source).finally(() => (this.#renewal = null));
    try {
      return (this.#token = await this.#renewal);
    } catch (error) {
      // Where only the network failed, the same request may succeed later.
      throw error instanceof TypeError ? error : new MillraceError("The `token` function gave no token; `cause` says why.", { cause: error });
    }
  }
}

/** An id that nobody else has; `crypto.randomUUID` exists in secure contexts only. */
export function newId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** An id as a part of a path. */
export const idPath = encodeURIComponent;

/** The query of an address: lists with commas, without what is not given. */
export function queryString(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return given.length > 0 ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** What `fetch` needs to send JSON, with an idempotency key where the API takes one. */
export function jsonInit(method: string, path: string, body?: unknown, key?: string): RequestInit & { headers: object } {
  const ownKey = (body as { idempotencyKey?: string } | null | undefined)?.idempotencyKey;
  const headers = {
    ...(body !== undefined && { "Content-Type": "application/json" }),
    ...(method === "POST" && KEYED.test(path) && { "Idempotency-Key": key ?? ownKey ?? newId() }),
  };
  return { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
}

function mayRepeat(error: unknown, method: string, path: string): boolean {
  if (isFinal(error)) return false;
  const isRefused = error instanceof ApiError && error.status === 429;
  return isRefused || method !== "POST" || KEYED.test(path) || ACTION.test(path);
}
