import { ApiError, MillraceError, apiErrorFrom } from "../errors.js";
import { Attempt } from "../stream/attempt.js";
import { asLoss, delayBefore, isFinal, sleep } from "../stream/retries.js";

/** Returns a bearer token. `rejected` is the token that the server no longer accepts, null at first. */
export type TokenSource = (rejected: string | null) => string | Promise<string>;

/** A session that renews its own tokens. It is asked before each request, so its user may change. */
export interface TokenKeeper {
  token(): string | Promise<string>;
  /** Returns a token other than the rejected one. Both may wait for a person to sign in; no timeout runs meanwhile. */
  renew(rejected: string): string | Promise<string>;
  /** Called if the server does not accept the renewed token either. */
  refused?(): void;
}

export interface ClientOptions {
  /** The address of the API, or a function of the path that returns it. By default, the origin of the page. */
  readonly baseUrl?: string | ((path: string) => string);
  /** A bearer token or API key, or a function that returns one. It is called again if the server answers 401. */
  readonly token?: string | TokenSource | TokenKeeper;
  /** Used instead of the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** The longest wait for a response, per attempt: by default 60 s, and 15 minutes for an answer of an agent. */
  readonly timeoutMs?: number;
  /** How often a failed request is retried if that is safe: 2 by default. */
  readonly maxRetries?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** A request with the same key takes effect only once. Created automatically if the API accepts one. */
  readonly idempotencyKey?: string | undefined;
  /** The request outlives the page. */
  readonly keepalive?: boolean | undefined;
}

interface Query {
  readonly [name: string]: unknown;
}

/** POSTs that accept an idempotency key, or that have the same result when they are repeated. */
const KEYED = /\/(messages|regenerate|events|inject|process|batch|answers)$/;
/** POSTs that are answered when an agent is done, which may take as long as a function may run. */
const LONG = /\/(messages|regenerate|events)$/;
const LONG_MS = 15 * 60_000;
/** POSTs without a body that have no further effect when they are repeated. */
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
   * Returns the JSON of the response, undefined if it is empty. Retries if that is safe. Throws ApiError,
   * ConnectionLostError, and the signal's reason if aborted. All other fields of `options` are the query.
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

  /** Sends one request and returns its response, whatever its status. A 401 renews the token once. */
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

  /** Resolves when there is a token. A session may wait for its user. */
  async ready(): Promise<void> {
    await this.#keeper?.token();
  }

  async #read<Result>(path: string, init: RequestInit, isRepeated: boolean, timed: Timed): Promise<Result> {
    const response = await this.send(path, init, timed);
    // An earlier attempt, whose response was lost, has deleted it.
    const isDeleted = isRepeated && init.method === "DELETE" && response.status === 404;
    if (!response.ok && !isDeleted) throw await timed(apiErrorFrom(response));
    return (isDeleted || response.status === 204 ? undefined : await timed(response.json())) as Result;
  }

  /** `fetch` or its replacement, which must not be called as a method. */
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

  /** Returns a token other than the rejected one, if there is one. Concurrent requests share one renewal. */
  async token(rejected: string | null = null): Promise<string | null> {
    const keeper = this.#keeper;
    const source = this.#source;
    if (keeper) return rejected === null ? keeper.token() : keeper.renew(rejected);
    if (!source || (this.#token !== null && this.#token !== rejected)) return this.#token;
    this.#renewal ??= Promise.resolve(rejected).then(source).finally(() => (this.#renewal = null));
    try {
      return (this.#token = await this.#renewal);
    } catch (error) {
      // If only the network failed, the same request may succeed later.
      throw error instanceof TypeError ? error : new MillraceError("The `token` function gave no token; `cause` says why.", { cause: error });
    }
  }
}

/** Returns a unique id. `crypto.randomUUID` exists only in secure contexts. */
export function newId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Encodes an id as a segment of a path. */
export const idPath = encodeURIComponent;

/** Encodes the query of an address: lists with commas, without omitted fields. */
export function queryString(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return given.length > 0 ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Returns the options of `fetch` to send JSON, with an idempotency key if the API accepts one. */
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
