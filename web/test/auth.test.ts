import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Auth, SignInError } from "../src/api/auth";
import { Api } from "../src/api/client";
import type { Config } from "../src/api/config";

const START = 1_000_000;
const POOL = "https://pool.example";
const DEV_USER = { username: "dev", password: "secret" };

beforeEach(() => void vi.useFakeTimers({ now: START }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function memoryStorage(): Storage {
  const values = new Map<string, string>();
  return {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
    removeItem: (key: string) => void values.delete(key),
  } as Storage;
}

/** A user pool that numbers its tokens, and an API that knows only the newest. */
function world(devUser: Config["devUser"] = DEV_USER, storage = memoryStorage()) {
  const calls: { flow: string; parameters: Record<string, string>; headers: Headers }[] = [];
  const pool = { issued: 0, isRefusing: false, isDown: false, isDeaf: false };
  const authorizations: (string | null)[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    if (url !== POOL) {
      const authorization = new Headers(init.headers).get("Authorization");
      authorizations.push(authorization);
      const isKnown = authorization === `Bearer id${pool.issued}` && !pool.isDeaf;
      return isKnown ? Response.json({ items: [] }) : new Response("", { status: 401 });
    }
    const body = JSON.parse(String(init.body));
    calls.push({ flow: body.AuthFlow, parameters: body.AuthParameters, headers: new Headers(init.headers) });
    if (pool.isDown) return new Response("", { status: 503 });
    if (pool.isRefusing) return Response.json({ message: "Refused." }, { status: 400 });
    pool.issued += 1;
    const refresh = body.AuthFlow === "USER_PASSWORD_AUTH" ? { RefreshToken: "r" } : {};
    return Response.json({ AuthenticationResult: { IdToken: `id${pool.issued}`, ExpiresIn: 3600, ...refresh } });
  });
  const signedOut = vi.fn();
  const config = { auth: { issuer: POOL, clientId: "client", userPoolEndpoint: POOL }, devUser, apiBase: {} };
  const auth = new Auth(config, storage, signedOut);
  return { auth, api: new Api(auth, {}), calls, pool, signedOut, storage, authorizations };
}

test("the dev user signs in by itself, once for all who wait", async () => {
  const { auth, calls } = world();
  expect(await Promise.all([auth.token(), auth.token(), auth.token()])).toEqual(["id1", "id1", "id1"]);
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatchObject({ flow: "USER_PASSWORD_AUTH", parameters: { USERNAME: "dev", PASSWORD: "secret" } });
  expect(calls[0]?.headers.get("X-Amz-Target")).toBe("AWSCognitoIdentityProviderService.InitiateAuth");
  expect(calls[0]?.headers.get("Content-Type")).toBe("application/x-amz-json-1.1");
});

test("a token is renewed a minute before it expires, again and again with the first refresh token", async () => {
  const { auth, calls } = world();
  await auth.token();
  vi.setSystemTime(START + 3_539_000);
  expect(await auth.token()).toBe("id1");
  vi.setSystemTime(START + 3_541_000);
  expect(await auth.token()).toBe("id2");
  vi.setSystemTime(START + 9_000_000);
  expect(await auth.token()).toBe("id3");
  expect(calls.slice(1).map(({ flow, parameters }) => [flow, parameters["REFRESH_TOKEN"]])).toEqual([
    ["REFRESH_TOKEN_AUTH", "r"],
    ["REFRESH_TOKEN_AUTH", "r"],
  ]);
});

test("a reload finds the tokens, signing out removes them", async () => {
  const first = world();
  await first.auth.token();
  const second = world(null, first.storage);
  expect(await second.auth.token()).toBe("id1");
  second.auth.signOut();
  expect(second.signedOut).toHaveBeenCalledOnce();
  await expect(world(null, first.storage).auth.token()).rejects.toBeInstanceOf(SignInError);
});

test("a refused refresh token asks the user, a server that is down does not", async () => {
  const { auth, pool, signedOut } = world(null);
  await auth.signIn(DEV_USER);
  vi.setSystemTime(START + 4_000_000);
  pool.isDown = true;
  await expect(auth.token()).rejects.toThrow("status 503");
  expect(signedOut).not.toHaveBeenCalled();
  pool.isDown = false;
  pool.isRefusing = true;
  await expect(auth.token()).rejects.toThrow("Refused.");
  expect(signedOut).toHaveBeenCalledOnce();
});

test("a 401 renews the token once for all requests under way", async () => {
  const { api, pool, calls, authorizations } = world();
  await api.listAgents();
  pool.issued += 1;
  await Promise.all([api.listAgents(), api.listConversations()]);
  expect(calls.map(({ flow }) => flow)).toEqual(["USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH"]);
  expect(authorizations).toEqual(["Bearer id1", "Bearer id1", "Bearer id1", "Bearer id3", "Bearer id3"]);
});

test("a second 401 ends the session instead of trying for ever", async () => {
  const { api, pool, signedOut, authorizations } = world();
  await api.listAgents();
  pool.isDeaf = true;
  await expect(api.listAgents()).rejects.toMatchObject({ status: 401 });
  expect(authorizations).toHaveLength(3);
  expect(signedOut).toHaveBeenCalledOnce();
});

test("a sign-in step that the page does not know is named", async () => {
  const { auth } = world(null);
  vi.stubGlobal("fetch", async () => Response.json({ ChallengeName: "NEW_PASSWORD_REQUIRED" }));
  await expect(auth.signIn(DEV_USER)).rejects.toThrow("NEW_PASSWORD_REQUIRED");
});
