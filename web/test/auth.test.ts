import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Auth } from "../src/api/auth";
import { clientFor } from "../src/api/client";
import type { Config } from "../src/api/config";
import { sharedStorage, tabStorage } from "../src/api/storage";

const START = 1_000_000_000;
const ISSUER = "https://issuer.example";
const DEV_USER = { username: "dev", password: "secret" };

beforeEach(() => {
  vi.useFakeTimers({ now: START });
  sharedStorage.clear();
  tabStorage.clear();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function idToken(number: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "u1", name: "Dev", "custom:organization": "acme", n: number };
  return `${part({ alg: "none" })}.${part(claims)}.x`;
}

/** A provider that numbers its tokens, and an API that knows only the newest. */
function world(devUser: Config["devUser"] = DEV_USER) {
  const grants: { kind: string; refreshToken: string | null }[] = [];
  const provider = { issued: 0, isRefusing: false, isDown: false, isDeaf: false };
  const seen: (string | null)[] = [];
  vi.stubGlobal("fetch", async (input: string | URL, init: RequestInit = {}) => {
    const url = String(input);
    if (url.endsWith("openid-configuration")) {
      return Response.json({ issuer: ISSUER, authorization_endpoint: `${ISSUER}/authorize`, token_endpoint: `${ISSUER}/token` });
    }
    if (url !== `${ISSUER}/token`) {
      const authorization = new Headers(init.headers).get("Authorization");
      seen.push(authorization);
      const isKnown = authorization === `Bearer ${idToken(provider.issued)}` && !provider.isDeaf;
      return isKnown ? Response.json({ items: [] }) : new Response("", { status: 401 });
    }
    const body = new URLSearchParams(String(init.body));
    grants.push({ kind: body.get("grant_type") ?? "", refreshToken: body.get("refresh_token") });
    if (provider.isDown) return new Response("", { status: 503, statusText: "Down" });
    if (provider.isRefusing) return Response.json({ error: "invalid_grant" }, { status: 400 });
    provider.issued += 1;
    // As Cognito does: a renewal brings no new refresh token.
    const refresh = body.get("grant_type") === "refresh_token" ? {} : { refresh_token: "r" };
    return Response.json({ id_token: idToken(provider.issued), access_token: "a", token_type: "Bearer", expires_in: 3600, ...refresh });
  });
  const auth = new Auth({ auth: { issuer: ISSUER, clientId: "client" }, devUser, apiBase: {} });
  return { auth, api: clientFor(auth, { apiBase: {} }), grants, provider, seen };
}

test("the dev user signs in by itself, and the session is there for the next page", async () => {
  const first = world();
  await first.auth.start();
  expect(first.auth.getState()).toBe("in");
  expect(first.grants.map(({ kind }) => kind)).toEqual(["password"]);
  expect(first.auth.account).toEqual({ id: "u1", name: "Dev", organization: "acme" });
  const second = world(null);
  await second.auth.start();
  expect(await second.auth.token()).toBe(idToken(1));
  expect(second.grants).toEqual([]);
});

test("nobody is signed in without a dev user, or after signing out", async () => {
  const { auth } = world(null);
  await auth.start();
  expect(auth.getState()).toBe("out");
  const dev = world();
  await dev.auth.start();
  await dev.auth.signOut();
  const again = world();
  await again.auth.start();
  expect(again.auth.getState()).toBe("out");
});

test("a token is renewed a minute before it expires, again and again with the first refresh token", async () => {
  const { auth, grants } = world();
  await auth.start();
  vi.setSystemTime(START + 3_539_000);
  expect(await auth.token()).toBe(idToken(1));
  vi.setSystemTime(START + 3_541_000);
  expect(await Promise.all([auth.token(), auth.token()])).toEqual([idToken(2), idToken(2)]);
  vi.setSystemTime(START + 9_000_000);
  expect(await auth.token()).toBe(idToken(3));
  expect(grants.slice(1)).toEqual([
    { kind: "refresh_token", refreshToken: "r" },
    { kind: "refresh_token", refreshToken: "r" },
  ]);
});

test("a provider that is down ends no session, one that refuses does", async () => {
  const { auth, provider } = world();
  await auth.start();
  const user = world(null);
  await user.auth.start();
  vi.setSystemTime(START + 4_000_000);
  user.provider.isDown = true;
  await expect(user.auth.token()).rejects.toThrow();
  expect(user.auth.getState()).toBe("in");
  user.provider.isDown = false;
  user.provider.isRefusing = true;
  void user.auth.token();
  await vi.waitFor(() => expect(user.auth.getState()).toBe("ended"));
  expect(provider.isRefusing).toBe(false);
});

test("what needs a token while the session is dead goes on when the user is back, in whatever tab", async () => {
  const events = new EventTarget();
  vi.stubGlobal("addEventListener", events.addEventListener.bind(events));
  await world().auth.start();
  const { auth, api, provider } = world(null);
  await auth.start();
  vi.setSystemTime(START + 4_000_000);
  provider.isRefusing = true;
  const sent = Promise.all([api.agents.list(), api.conversations.list()]);
  await vi.waitFor(() => expect(auth.getState()).toBe("ended"));
  provider.isRefusing = false;
  const other = world();
  await other.auth.signInDevUser();
  provider.issued = 1;
  const key = Array.from({ length: sharedStorage.length }, (_, index) => sharedStorage.key(index)).find((one) => one?.startsWith("millrace.oidc.user:"));
  events.dispatchEvent(Object.assign(new Event("storage"), { key }));
  expect((await sent).map(({ items }) => items)).toEqual([[], []]);
  expect(auth.getState()).toBe("in");
});

test("a 401 renews the token once for all requests under way", async () => {
  const { auth, api, provider, grants, seen } = world();
  await auth.start();
  await api.agents.list();
  provider.issued += 1;
  await Promise.all([api.agents.list(), api.conversations.list()]);
  expect(grants.map(({ kind }) => kind)).toEqual(["password", "refresh_token"]);
  const bearer = (number: number) => `Bearer ${idToken(number)}`;
  expect(seen).toEqual([bearer(1), bearer(1), bearer(1), bearer(3), bearer(3)]);
});

test("a second 401 ends the session instead of trying for ever", async () => {
  const { auth, api, provider, seen } = world();
  await auth.start();
  await api.agents.list();
  provider.isDeaf = true;
  await expect(api.agents.list()).rejects.toMatchObject({ status: 401 });
  expect(seen).toHaveLength(3);
  expect(auth.getState()).toBe("ended");
});

test("a user pool without a page of its own takes the password from ours, and renews by its own protocol", async () => {
  const flows: string[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    const body = JSON.parse(String(init.body));
    flows.push(body.AuthFlow);
    if (body.AuthParameters.PASSWORD === "wrong") return Response.json({ message: "Incorrect." }, { status: 400 });
    const refresh = body.AuthFlow === "USER_PASSWORD_AUTH" ? { RefreshToken: "r" } : {};
    return Response.json({ AuthenticationResult: { IdToken: idToken(flows.length), AccessToken: "a", ExpiresIn: 3600, ...refresh } });
  });
  const issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x";
  const auth = new Auth({ auth: { issuer, clientId: "c", userPoolEndpoint: "https://cognito-idp.eu-west-1.amazonaws.com/" }, devUser: null, apiBase: {} });
  await auth.start();
  expect([auth.getState(), auth.needsPassword]).toEqual(["out", true]);
  await expect(auth.signInByPassword({ username: "ada", password: "wrong" })).rejects.toThrow("Incorrect.");
  await auth.signInByPassword({ username: "ada", password: "right" });
  expect(await auth.token()).toBe(idToken(2));
  for (const hours of [2, 4]) {
    vi.setSystemTime(START + hours * 3_600_000);
    expect(await auth.token()).toBe(idToken(flows.length));
  }
  expect(flows).toEqual(["USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH", "REFRESH_TOKEN_AUTH"]);
});
