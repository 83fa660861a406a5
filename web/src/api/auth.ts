import type { Config, Credentials } from "./config";

const STORAGE_KEY = "millrace.tokens";
const RENEW_BEFORE_MS = 60_000;

interface Tokens {
  readonly idToken: string;
  readonly refreshToken: string | null;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Sign-in is needed, or was refused. The message is for the user. */
export class SignInError extends Error {
  override name = "SignInError";
}

export interface Account {
  readonly name: string | null;
  readonly organization: string | null;
}

type AuthResult = { IdToken?: string; RefreshToken?: string; ExpiresIn?: number };

/**
 * A signed-in user of a Cognito user pool, by its InitiateAuth call
 * (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html).
 *
 * Tokens live in memory and, for reloads, in sessionStorage.
 */
export class Auth {
  #tokens: Tokens | null;
  #renewal: Promise<Tokens> | null = null;

  constructor(
    private readonly config: Config,
    private readonly storage: Storage,
    private readonly onSignedOut: () => void,
  ) {
    this.#tokens = readTokens(storage);
  }

  get isSignedIn(): boolean {
    return this.#tokens !== null;
  }

  /** Who is signed in, by the token's own words: for showing only. */
  get account(): Account {
    return accountOf(this.#tokens?.idToken);
  }

  /** Throws SignInError when the user pool refuses. */
  async signIn({ username, password }: Credentials): Promise<void> {
    this.#keep(await this.#initiate("USER_PASSWORD_AUTH", { USERNAME: username, PASSWORD: password }, null));
  }

  signOut(): void {
    this.#tokens = null;
    this.storage.removeItem(STORAGE_KEY);
    this.onSignedOut();
  }

  /** A bearer token that is valid for another minute. Throws SignInError when the user must sign in. */
  async token(): Promise<string> {
    const tokens = this.#tokens;
    if (tokens && tokens.expiresAt - Date.now() > RENEW_BEFORE_MS) return tokens.idToken;
    return this.renew(tokens?.idToken ?? null);
  }

  /** A token other than `rejected`. Callers at the same time share one renewal. */
  async renew(rejected: string | null): Promise<string> {
    if (this.#tokens && this.#tokens.idToken !== rejected) return this.#tokens.idToken;
    this.#renewal ??= this.#refresh().finally(() => (this.#renewal = null));
    return (await this.#renewal).idToken;
  }

  async #refresh(): Promise<Tokens> {
    try {
      const tokens = await this.#refreshOrSignIn(this.#tokens?.refreshToken ?? null);
      this.#keep(tokens);
      return tokens;
    } catch (error) {
      if (error instanceof SignInError) this.signOut();
      throw error;
    }
  }

  async #refreshOrSignIn(refreshToken: string | null): Promise<Tokens> {
    const { devUser } = this.config;
    if (refreshToken) {
      try {
        return await this.#initiate("REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: refreshToken }, refreshToken);
      } catch (error) {
        if (!devUser || !(error instanceof SignInError)) throw error;
      }
    }
    if (!devUser) throw new SignInError("Please sign in.");
    const { username, password } = devUser;
    return this.#initiate("USER_PASSWORD_AUTH", { USERNAME: username, PASSWORD: password }, null);
  }

  #keep(tokens: Tokens): void {
    this.#tokens = tokens;
    this.storage.setItem(STORAGE_KEY, JSON.stringify(tokens));
  }

  /** REFRESH_TOKEN_AUTH answers without a refresh token: `refreshToken` stays in use. */
  async #initiate(flow: string, parameters: object, refreshToken: string | null): Promise<Tokens> {
    const { userPoolEndpoint, clientId } = this.config.auth;
    const response = await fetch(userPoolEndpoint, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
      },
      body: JSON.stringify({ AuthFlow: flow, ClientId: clientId, AuthParameters: parameters }),
    });
    if (!response.ok) throw await refusal(response);
    const body = (await response.json()) as { AuthenticationResult?: AuthResult; ChallengeName?: string };
    return tokensFrom(body.AuthenticationResult, body.ChallengeName, refreshToken);
  }
}

function tokensFrom(result: AuthResult | undefined, challenge: string | undefined, old: string | null): Tokens {
  if (!result?.IdToken) {
    throw new SignInError(`This page cannot do the sign-in step that is asked for: ${challenge ?? "unknown"}.`);
  }
  const expiresAt = Date.now() + (result.ExpiresIn ?? 3600) * 1000;
  return { idToken: result.IdToken, refreshToken: result.RefreshToken ?? old, expiresAt };
}

/** Only a 4xx means that the credentials are wrong; anything else may pass. */
async function refusal(response: Response): Promise<Error> {
  const body = (await response.json().catch(() => null)) as { message?: string } | null;
  const message = body?.message ?? `Sign-in answered with status ${response.status}.`;
  const isRefused = response.status >= 400 && response.status < 500 && response.status !== 429;
  return isRefused ? new SignInError(message) : new Error(message);
}

function readTokens(storage: Storage): Tokens | null {
  try {
    const value = JSON.parse(storage.getItem(STORAGE_KEY) ?? "null") as Tokens | null;
    return typeof value?.idToken === "string" ? value : null;
  } catch {
    return null;
  }
}

function accountOf(token: string | undefined): Account {
  const claims = claimsOf(token);
  const text = (...names: string[]) => names.map((name) => claims[name]).find((value) => typeof value === "string") ?? null;
  return { name: text("name", "email", "sub"), organization: text("custom:organization", "organization", "org_id") };
}

function claimsOf(token: string | undefined): Record<string, string> {
  try {
    const payload = token?.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, string>;
  } catch {
    return {};
  }
}
