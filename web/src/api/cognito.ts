import { ErrorResponse, User } from "oidc-client-ts";
import type { Credentials } from "./config";

type AuthResult = { IdToken?: string; AccessToken?: string; RefreshToken?: string; ExpiresIn?: number };

/** What the pool asks for after the password: a new password, or a code that it has sent or that an app shows. */
export class SignInChallenge extends Error {
  constructor(
    readonly challenge: string,
    readonly username: string,
    readonly session: string,
  ) {
    super(`The pool asks for ${challenge}.`);
  }

  /** Null for a challenge that this page does not support. */
  get wants(): "password" | "code" | null {
    if (this.challenge === "NEW_PASSWORD_REQUIRED") return "password";
    return CODES.includes(this.challenge) ? "code" : null;
  }
}

const CODES = ["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"];

interface Answer {
  readonly AuthenticationResult?: AuthResult;
  readonly ChallengeName?: string;
  readonly ChallengeParameters?: Readonly<Record<string, string>>;
  readonly Session?: string;
}

/**
 * A Cognito user pool without a sign-in page, through its own API
 * (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html).
 */
export class PasswordPool {
  constructor(
    private readonly endpoint: string,
    private readonly clientId: string,
  ) {}

  /** Throws ErrorResponse if the pool refuses, and SignInChallenge if it asks for more. */
  async signIn({ username, password }: Credentials): Promise<User> {
    return signedIn(await this.#initiate("USER_PASSWORD_AUTH", { USERNAME: username, PASSWORD: password }), username);
  }

  /** Continues after `signIn` threw the challenge; throws as `signIn` does. */
  async answer({ challenge, username, session }: SignInChallenge, value: string): Promise<User> {
    const key = challenge === "NEW_PASSWORD_REQUIRED" ? "NEW_PASSWORD" : `${challenge}_CODE`;
    const responses = { ChallengeName: challenge, Session: session, ChallengeResponses: { USERNAME: username, [key]: value } };
    return signedIn(await this.#call("RespondToAuthChallenge", responses), username);
  }

  /** The response has no new refresh token, so the old one stays in use. */
  async renew(refreshToken: string): Promise<User> {
    const answer = await this.#initiate("REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: refreshToken });
    return userOf(answer.AuthenticationResult ?? {}, refreshToken);
  }

  #initiate(flow: string, parameters: object): Promise<Answer> {
    return this.#call("InitiateAuth", { AuthFlow: flow, AuthParameters: parameters });
  }

  async #call(action: string, body: object): Promise<Answer> {
    const response = await fetch(this.endpoint, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": `AWSCognitoIdentityProviderService.${action}`,
      },
      body: JSON.stringify({ ClientId: this.clientId, ...body }),
    });
    if (!response.ok) throw await refusal(response);
    return (await response.json()) as Answer;
  }
}

function signedIn(answer: Answer, username: string): User {
  if (answer.AuthenticationResult) return userOf(answer.AuthenticationResult, undefined);
  const asked = new SignInChallenge(
    answer.ChallengeName ?? "unknown",
    answer.ChallengeParameters?.["USER_ID_FOR_SRP"] ?? username,
    answer.Session ?? "",
  );
  if (asked.wants) throw asked;
  const message = `This page does not support the sign-in step that the user pool requires: ${asked.challenge}.`;
  throw new ErrorResponse({ error: "challenge", error_description: message });
}

function userOf(result: AuthResult, old: string | undefined): User {
  if (!result.IdToken) throw new ErrorResponse({ error: "no_token", error_description: "The user pool returned no ID token." });
  const refresh = result.RefreshToken ?? old;
  return new User({
    id_token: result.IdToken,
    access_token: result.AccessToken ?? "",
    token_type: "Bearer",
    profile: claimsOf(result.IdToken) as never,
    expires_at: Math.floor(Date.now() / 1000) + (result.ExpiresIn ?? 3600),
    ...(refresh && { refresh_token: refresh }),
  });
}

/** Only a 4xx means that the credentials are wrong; anything else may pass. */
async function refusal(response: Response): Promise<Error> {
  const body = (await response.json().catch(() => null)) as { message?: string; __type?: string } | null;
  const message = body?.message ?? `Sign-in failed with status ${response.status}.`;
  const isRefused = response.status >= 400 && response.status < 500 && response.status !== 429;
  return isRefused ? new ErrorResponse({ error: body?.__type?.split("#").pop() ?? "refused", error_description: message }) : new Error(message);
}

/** Whether a challenge has expired, so that the password has to be asked for again. */
export function isOver(error: unknown): boolean {
  return error instanceof ErrorResponse && ["NotAuthorizedException", "ExpiredCodeException"].includes(error.error ?? "");
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
