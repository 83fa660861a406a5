import { ErrorResponse, type User } from "oidc-client-ts";
import { afterEach, expect, test, vi } from "vitest";
import { PasswordPool, SignInChallenge, isOver } from "../src/api/cognito";

afterEach(() => vi.unstubAllGlobals());

/** A pool that gives these answers, one after the other, and what it was asked. */
function pool(...answers: readonly { status?: number; body: object }[]) {
  const asked: { action: string | undefined; body: Record<string, unknown> }[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    const action = new Headers(init.headers).get("X-Amz-Target")?.split(".")[1];
    asked.push({ action, body: JSON.parse(String(init.body)) as Record<string, unknown> });
    const { body, status = 200 } = answers[asked.length - 1]!;
    return Response.json(body, { status });
  });
  return { asked, pool: new PasswordPool("https://cognito-idp.us-east-1.amazonaws.com/", "client") };
}

const challenge = (name: string, session: string) => ({
  body: { ChallengeName: name, Session: session, ChallengeParameters: { USER_ID_FOR_SRP: "u1" } },
});
const tokens = { body: { AuthenticationResult: { IdToken: "a.e30.c", AccessToken: "x", RefreshToken: "r", ExpiresIn: 60 } } };
const ada = { username: "ada@example.com", password: "temporary" };

async function challenged(signingIn: Promise<User>): Promise<SignInChallenge> {
  const thrown: unknown = await signingIn.then(() => null, (reason: unknown) => reason);
  if (!(thrown instanceof SignInChallenge)) throw thrown;
  return thrown;
}

test("a new password and then a code are given under the pool's name of the user", async () => {
  const { asked, pool: cognito } = pool(challenge("NEW_PASSWORD_REQUIRED", "s1"), challenge("SOFTWARE_TOKEN_MFA", "s2"), tokens);
  const first = await challenged(cognito.signIn(ada));
  expect(first.wants).toBe("password");
  const second = await challenged(cognito.answer(first, "my own"));
  expect(second.wants).toBe("code");
  expect((await cognito.answer(second, "123456")).refresh_token).toBe("r");
  expect(asked.map(({ action }) => action)).toEqual(["InitiateAuth", "RespondToAuthChallenge", "RespondToAuthChallenge"]);
  expect(asked.slice(1).map(({ body }) => [body.ClientId, body.Session, body.ChallengeResponses])).toEqual([
    ["client", "s1", { USERNAME: "u1", NEW_PASSWORD: "my own" }],
    ["client", "s2", { USERNAME: "u1", SOFTWARE_TOKEN_MFA_CODE: "123456" }],
  ]);
});

test("a step that the page cannot do is named", async () => {
  const { pool: cognito } = pool(challenge("WEB_AUTHN", "s1"));
  await expect(cognito.signIn(ada)).rejects.toThrow("WEB_AUTHN");
});

test("a refused code can be given again, an expired session cannot", async () => {
  const refusal = (type: string) => ({ status: 400, body: { __type: type, message: "No." } });
  const { pool: cognito } = pool(challenge("SMS_MFA", "s1"), refusal("CodeMismatchException"), refusal("NotAuthorizedException"));
  const asked = await challenged(cognito.signIn(ada));
  for (const over of [false, true]) {
    const refused: unknown = await cognito.answer(asked, "0").catch((reason: unknown) => reason);
    expect([refused instanceof ErrorResponse, isOver(refused)]).toEqual([true, over]);
  }
});
