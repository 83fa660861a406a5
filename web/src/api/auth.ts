import { ErrorResponse, type User, UserManager, WebStorageStateStore } from "oidc-client-ts";
import { PasswordPool, type SignInChallenge } from "./cognito";
import type { Config, Credentials } from "./config";
import { isDurable, sharedStorage, tabStorage } from "./storage";

const RENEW_BEFORE_S = 60;
const SIGNED_OUT = "millrace.signedOut";
export const CALLBACK = "/auth/callback";
export const POPUP_CALLBACK = "/auth/popup";

/** `ended`: the session ended while the page was in use. Requests that wait for a token continue after the next sign-in. */
export type AuthState = "in" | "out" | "ended";

/** The signed-in user from the token, for display only. */
export interface Account {
  /** The id by which the API knows the user. */
  readonly id: string | null;
  readonly name: string | null;
  readonly organization: string | null;
}

/**
 * The signed-in user of any OpenID Connect provider: authorization code with PKCE, renewed by refresh token. The
 * tabs of a browser share one session. A request that needs a token after the session has ended waits until the
 * user has signed in again, so that nothing that was typed is lost.
 */
export class Auth {
  readonly #manager: UserManager;
  /** Null if the provider has a sign-in page. */
  readonly #pool: PasswordPool | null;
  readonly #listeners = new Set<() => void>();
  #user: User | null = null;
  #state: AuthState = "out";
  #renewal: Promise<User | null> | null = null;
  #waiting: ((user: User) => void)[] = [];

  constructor(private readonly config: Config) {
    this.#manager = new UserManager(settingsOf(config));
    this.#pool = poolOf(config);
    globalThis.addEventListener?.("storage", (event) => {
      if (event.key?.startsWith("millrace.oidc.user:")) void this.#follow();
    });
  }

  readonly getState = (): AuthState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get account(): Account {
    const claims: Record<string, unknown> = { ...this.#user?.profile };
    const text = (...names: string[]) => names.map((name) => claims[name]).find((one): one is string => typeof one === "string") ?? null;
    return {
      id: text("sub"),
      name: text("name", "email", "preferred_username", "sub"),
      organization: text("custom:organization", "organization", "org_id"),
    };
  }

  /** Whether this page asks for the password itself. */
  get needsPassword(): boolean {
    return this.#pool !== null;
  }

  get hasDevUser(): boolean {
    return this.config.devUser !== null;
  }

  /** Restores the session of this browser, or signs in the dev user. Throws if the provider cannot be reached. */
  async start(): Promise<void> {
    const user = await this.#manager.getUser();
    if (user) this.#keep(user);
    else if (this.config.devUser && !tabStorage.getItem(SIGNED_OUT)) await this.signInDevUser();
  }

  /** Goes to the provider's page and returns to this one; in a popup if the browser has no storage. */
  async signIn(): Promise<void> {
    if (!isDurable(sharedStorage)) return this.signInByPopup();
    await this.#manager.signinRedirect({ state: location.pathname + location.search + location.hash });
  }

  /** Keeps this page and everything that was typed into it. */
  async signInByPopup(): Promise<void> {
    this.#keep(await this.#manager.signinPopup());
  }

  /** For `needsPassword`. Throws SignInChallenge if the pool asks for more, which `answerChallenge` provides. */
  async signInByPassword(credentials: Credentials): Promise<void> {
    const user = await this.#pool?.signIn(credentials);
    if (user) await this.#store(user);
  }

  async answerChallenge(challenge: SignInChallenge, value: string): Promise<void> {
    const user = await this.#pool?.answer(challenge, value);
    if (user) await this.#store(user);
  }

  /** Only if the configuration names a dev user. */
  async signInDevUser(): Promise<void> {
    if (this.config.devUser) this.#keep(await this.#manager.signinResourceOwnerCredentials(this.config.devUser));
  }

  /** The second half of `signIn`. Returns the user's previous address; throws if the provider refused. */
  async finishSignIn(): Promise<string> {
    const user = await this.#manager.signinRedirectCallback();
    this.#keep(user);
    return typeof user.state === "string" && user.state.startsWith("/") ? user.state : "/";
  }

  /** In the popup: passes the answer to the page that opened it, and closes. */
  finishPopup(): Promise<void> {
    return this.#manager.signinPopupCallback();
  }

  async signOut(): Promise<void> {
    const idToken = this.#user?.id_token;
    await this.#manager.removeUser();
    tabStorage.setItem(SIGNED_OUT, "1");
    this.#user = null;
    this.#set("out");
    await this.#signOutThere(idToken);
  }

  /** Returns a bearer token that is valid for at least a minute. Waits for the user if the session has ended. */
  async token(): Promise<string> {
    const user = this.#user;
    if (this.#state === "in" && user && !isExpiring(user)) return this.#bearer(user);
    return this.renew(user ? this.#bearer(user) : null);
  }

  /** Returns a token other than `rejected`. Concurrent callers share one renewal, and so do tabs. */
  async renew(rejected: string | null): Promise<string> {
    if (this.#state !== "in") return this.#bearer(await this.#nextUser());
    if (this.#user && this.#bearer(this.#user) !== rejected && !isExpiring(this.#user)) return this.#bearer(this.#user);
    this.#renewal ??= inOneTab(() => this.#renewed(rejected)).finally(() => (this.#renewal = null));
    // Waiting for the user delays no other tab, because the renewal has ended by then.
    return this.#bearer((await this.#renewal) ?? (await this.#nextUser()));
  }

  /** The API does not accept the provider's new token, so the user has to sign in again. */
  refused(): void {
    if (this.#state === "in") this.#set("ended");
  }

  /** Null if the user has to sign in again. */
  async #renewed(rejected: string | null): Promise<User | null> {
    const stored = await this.#manager.getUser();
    if (stored && this.#bearer(stored) !== rejected && !isExpiring(stored)) return this.#keep(stored);
    try {
      if (!stored?.refresh_token) throw new ErrorResponse({ error: "login_required" });
      if (this.#pool) return await this.#store(await this.#pool.renew(stored.refresh_token));
      const user = await this.#manager.signinSilent();
      if (!user) throw new ErrorResponse({ error: "login_required" });
      return this.#keep(user);
    } catch (error) {
      // Anything else (no network, a provider that is down) may be temporary.
      if (!(error instanceof ErrorResponse)) throw error;
      return this.#signInAgain();
    }
  }

  async #signInAgain(): Promise<User | null> {
    if (this.config.devUser) {
      await this.signInDevUser();
      return this.#user;
    }
    this.#set("ended");
    return null;
  }

  #nextUser(): Promise<User> {
    if (this.#state === "in" && this.#user) return Promise.resolve(this.#user);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Another tab signed in or out. */
  async #follow(): Promise<void> {
    const user = await this.#manager.getUser();
    if (user) this.#keep(user);
    else {
      this.#user = null;
      this.#set("out");
    }
  }

  async #store(user: User): Promise<User> {
    await this.#manager.storeUser(user);
    return this.#keep(user);
  }

  #keep(user: User): User {
    this.#user = user;
    tabStorage.removeItem(SIGNED_OUT);
    this.#set("in");
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(user);
    return user;
  }

  #set(state: AuthState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }

  #bearer(user: User): string {
    const token = this.config.auth.bearer === "access_token" ? user.access_token : user.id_token;
    if (!token) throw new Error(`The provider returned no ${this.config.auth.bearer ?? "id_token"}.`);
    return token;
  }

  async #signOutThere(idToken: string | undefined): Promise<void> {
    if (this.#pool) return;
    const endpoint = await this.#manager.metadataService.getEndSessionEndpoint().catch(() => undefined);
    if (!endpoint) return;
    // Cognito's own names in addition to the standard's.
    const home = `${location.origin}/`;
    await this.#manager.signoutRedirect({
      ...(idToken && { id_token_hint: idToken }),
      extraQueryParams: { client_id: this.config.auth.clientId, logout_uri: home },
    });
  }
}

function poolOf({ auth }: Config): PasswordPool | null {
  const isCognito = URL.canParse(auth.issuer) && new URL(auth.issuer).host.startsWith("cognito-idp.");
  if (!isCognito || !auth.userPoolEndpoint || auth.metadataUrl) return null;
  return new PasswordPool(auth.userPoolEndpoint, auth.clientId);
}

function settingsOf({ auth }: Config) {
  const origin = globalThis.location?.origin ?? "http://localhost";
  return {
    authority: auth.issuer,
    ...(auth.metadataUrl && { metadataUrl: new URL(auth.metadataUrl, origin).href }),
    client_id: auth.clientId,
    scope: auth.scope ?? "openid email profile",
    redirect_uri: origin + CALLBACK,
    popup_redirect_uri: origin + POPUP_CALLBACK,
    post_logout_redirect_uri: `${origin}/`,
    response_type: "code",
    automaticSilentRenew: false,
    monitorSession: false,
    userStore: new WebStorageStateStore({ store: sharedStorage, prefix: "millrace.oidc." }),
    stateStore: new WebStorageStateStore({ store: sharedStorage, prefix: "millrace.oidc." }),
  };
}

function isExpiring(user: User): boolean {
  return user.expires_in !== undefined && user.expires_in < RENEW_BEFORE_S;
}

/** Tabs renew one after the other, because many providers accept a refresh token only once. */
function inOneTab<Result>(action: () => Promise<Result>): Promise<Result> {
  const locks = globalThis.navigator?.locks;
  return locks ? (locks.request("millrace.renewal", action) as Promise<Result>) : action();
}
