import { ErrorResponse, User } from "oidc-client-ts";
import type { Credentials } from "./config";

type AuthResult = { IdToken?: string; AccessToken?: string; RefreshToken?: string; ExpiresIn?: number };

/**
 * A Cognito user pool without a sign-in page of its own, by its InitiateAuth call
 * (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html).
 */
export class PasswordPool {
  constructor(
    private readonly endpoint: string,
    private readonly clientId: string,
  ) {}

  /** Throws ErrorResponse when the pool refuses. */
  signIn({ username, password }: Credentials): Promise<User> {
    return this.#initiate("USER_PASSWORD_AUTH", { USERNAME: username, PASSWORD: password }, undefined);
  }

  /** The answer brings no new refresh token: the old one stays in use. */
  renew(refreshToken: string): Promise<User> {
    return this.#initiate("REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: refreshToken }, refreshToken);
  }

  async #initiate(flow: string, parameters: object, refreshToken: string | undefined): Promise<User> {
    const response = await fetch(this.endpoint, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
      },
      body: JSON.stringify({ AuthFlow: flow, ClientId: this.clientId, AuthParameters: parameters }),
    });
    if (!response.ok) throw await refusal(response);
    const body = (await response.json()) as { AuthenticationResult?: AuthResult; ChallengeName?: string };
    return userOf(body.AuthenticationResult, body.ChallengeName, refreshToken);
  }
}

function userOf(result: AuthResult | undefined, challenge: string | undefined, old: string | undefined): User {
  if (!result?.IdToken) {
    const message = `This page cannot do the sign-in step that is asked for: ${challenge ?? "unknown"}.`;
    throw new ErrorResponse({ error: "challenge", error_description: message });
  }
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
  const body = (await response.json().catch(() => null)) as { message?: string } | null;
  const message = body?.message ?? `Sign-in answered with status ${response.status}.`;
  const isRefused = response.status >= 400 && response.status < 500 && response.status !== 429;
  return isRefused ? new ErrorResponse({ error: "refused", error_description: message }) : new Error(message);
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
