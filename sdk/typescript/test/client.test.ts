import { afterEach, expect, test, vi } from "vitest";
import {
  AlreadyAnsweredError,
  ApiError,
  AuthenticationError,
  type ClientOptions,
  ConflictError,
  ConnectionLostError,
  InvalidRequestError,
  Millrace,
  MillraceError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  RunActiveError,
  ServerError,
} from "../src/index.js";
import { AWAKE, beginStream, frame, goldenLines, serve } from "./server.js";

afterEach(() => void (vi.useRealTimers(), vi.restoreAllMocks()));

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: unknown;
}

type Reply = Response | Error;
const ok = (value: unknown = {}) => Response.json(value);
const refused = (status: number, code = "no", headers: Record<string, string> = {}) =>
  Response.json({ error: { code, message: "No.", requestId: "req_1", extra: 7 } }, { status, headers });

/** A client whose requests get `replies`, one after the other, and what it asked. */
function clientWith(replies: readonly Reply[], options: ClientOptions = {}) {
  const asked: Asked[] = [];
  const fetch = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { method = "GET", body } = init;
    const { pathname, search } = new URL(String(url));
    const sent = typeof body === "string" ? (JSON.parse(body) as unknown) : body;
    asked.push({ method, path: pathname + search, headers: new Headers(init.headers), body: sent });
    const reply = replies[asked.length - 1];
    if (!reply) return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    if (reply instanceof Error) throw reply;
    return reply;
  };
  const client = new Millrace({ baseUrl: "https://api.example.com/", token: "t", fetch, ...options });
  return { client, asked };
}

/** Waits that pass at once. */
function hurry(): void {
  vi.useFakeTimers();
}

async function settled<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  await vi.runAllTimersAsync();
  return promise;
}

test("a call sends its ids, its body and its query, with the token", async () => {
  const { client, asked } = clientWith([ok(), ok(), ok()]);
  await client.agents.update("a/b c", { name: "New" });
  await client.streaming.listDeadLetters("p1", { limit: 5, code: "timeout" });
  await client.streaming.enableDestination("p1", 2);
  expect(asked.map(({ method, path, body }) => [method, path, body])).toEqual([
    ["PATCH", "/api/agents/a%2Fb%20c", { name: "New" }],
    ["GET", "/api/streaming/pipelines/p1/dead-letters?limit=5&code=timeout", undefined],
    ["POST", "/api/streaming/pipelines/p1/destinations/2/enable", undefined],
  ]);
  expect(asked[0]?.headers.get("Authorization")).toBe("Bearer t");
  expect(asked[0]?.headers.get("Content-Type")).toBe("application/json");
});

test("any route of the document can be called without a name", async () => {
  const { client, asked } = clientWith([ok({ status: "ok" })]);
  expect(await client.call("GET /api/health")).toEqual({ status: "ok" });
  expect(asked[0]?.path).toBe("/api/health");
});

test("an empty answer is undefined", async () => {
  const { client } = clientWith([new Response(null, { status: 204 })]);
  expect(await client.agents.delete("a")).toBeUndefined();
});

test("a list is its first page when awaited, and all items of all pages when iterated", async () => {
  const page = (items: number[], nextCursor: string | null) => ok({ items, nextCursor });
  const first = clientWith([page([1, 2], "c2")]);
  expect(await first.client.agents.list({ limit: 2 })).toEqual({ items: [1, 2], nextCursor: "c2" });
  const { client, asked } = clientWith([page([1, 2], "c2"), page([], "c3"), page([3], null)]);
  const items: unknown[] = [];
  for await (const item of client.agents.list({ limit: 2 })) items.push(item);
  expect(items).toEqual([1, 2, 3]);
  expect(asked.map(({ path }) => path)).toEqual(["", "&cursor=c2", "&cursor=c3"].map((rest) => `/api/agents?limit=2${rest}`));
});

test("a message goes to its conversation, or to a new one, under a key of its own", async () => {
  const { client, asked } = clientWith([ok(), ok(), ok()]);
  await client.conversations.sendMessage({ conversationId: "c:1", content: "Hi", agentId: "demo" });
  await client.conversations.sendMessage({ content: "Hi", idempotencyKey: "mine" });
  await client.conversations.inject({ conversationId: "c:1", threadId: "t", content: "Also" }, { idempotencyKey: "theirs" });
  expect(asked.map(({ path }) => path.replace(/[\d-]{20,}/, "<id>"))).toEqual([
    "/api/conversations/c%3A1/messages",
    "/api/conversations/<id>/messages",
    "/api/conversations/c%3A1/inject?threadId=t",
  ]);
  expect(asked[0]?.body).toEqual({ content: "Hi", agentId: "demo" });
  expect(asked[0]?.headers.get("Idempotency-Key")).toMatch(/^[\d-]+$/);
  expect(asked.slice(1).map(({ headers }) => headers.get("Idempotency-Key"))).toEqual(["mine", "theirs"]);
});

test.each([
  [401, "token_invalid", AuthenticationError],
  [403, "scope_missing", PermissionDeniedError],
  [404, "agent_not_found", NotFoundError],
  [409, "run_active", RunActiveError],
  [409, "already_answered", AlreadyAnsweredError],
  [409, "something_else", ConflictError],
  [410, "deleted", NotFoundError],
  [413, "too_large", InvalidRequestError],
  [422, "invalid_body", InvalidRequestError],
  [429, "too_many_waiting", RateLimitError],
  [503, "unavailable", ServerError],
] as const)("a %i %s is an error of its class with all that the server said", async (status, code, Class) => {
  const { client } = clientWith([refused(status, code, { "Retry-After": "7" })], { maxRetries: 0 });
  const error = await client.agents.get("a").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Class);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status, code, message: "No.", requestId: "req_1", retryAfterMs: 7000, details: { extra: 7 } });
});

const DIED = new TypeError("fetch failed");
test.each([
  ["a lost GET", (client: Millrace) => client.agents.get("a"), [DIED, DIED, ok()], 3],
  ["a refused PUT", (client: Millrace) => client.flows.delete("f"), [refused(503), refused(500), ok()], 3],
  ["a POST with a key", (client: Millrace) => client.streaming.process("p", { a: 1 }), [DIED, ok()], 2],
  ["a POST that does nothing twice", (client: Millrace) => client.streaming.startPipeline("p"), [DIED, ok()], 2],
  ["a POST that was not taken", (client: Millrace) => client.streaming.createCheckpoint("p"), [refused(429), ok()], 2],
] as const)("%s is repeated", async (_, call, replies, times) => {
  hurry();
  const { client, asked } = clientWith(replies);
  await settled(call(client) as Promise<unknown>);
  expect(asked).toHaveLength(times);
  expect(new Set(asked.map(({ headers }) => headers.get("Idempotency-Key"))).size).toBe(1);
});

test.each([
  ["a POST that may have been taken", (client: Millrace) => client.streaming.createCheckpoint("p"), DIED, ConnectionLostError],
  ["a POST of which nobody knows", (client: Millrace) => client.agents.create({ name: "a" } as never), refused(503), ServerError],
  ["a wrong request", (client: Millrace) => client.agents.get("a"), refused(422), InvalidRequestError],
  ["a server that wants minutes", (client: Millrace) => client.agents.get("a"), refused(429, "busy", { "Retry-After": "90" }), RateLimitError],
] as const)("%s is not repeated", async (_, call, reply, Class) => {
  hurry();
  const { client, asked } = clientWith([reply, ok()]);
  await expect(settled(call(client) as Promise<unknown>)).rejects.toBeInstanceOf(Class);
  expect(asked).toHaveLength(1);
});

test("repetitions wait as long as the server wants, and then longer each time", async () => {
  hurry();
  vi.spyOn(Math, "random").mockReturnValue(0);
  const { client, asked } = clientWith([refused(429, "busy", { "Retry-After": "5" }), refused(503), ok()]);
  const answer = client.agents.get("a");
  await vi.advanceTimersByTimeAsync(4999);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1999);
  expect(asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toHaveLength(3);
  await answer;
});

test("a deletion whose answer was lost has succeeded when there is nothing left", async () => {
  hurry();
  const { client } = clientWith([DIED, refused(404)]);
  expect(await settled(client.conversations.delete("c"))).toBeUndefined();
  await expect(clientWith([refused(404)]).client.conversations.delete("c")).rejects.toBeInstanceOf(NotFoundError);
});

test("an answer that does not come is waited for as long as allowed, and leaves no timer", async () => {
  hurry();
  const { client, asked } = clientWith([], { timeoutMs: 5000, maxRetries: 1 });
  await expect(settled(client.agents.get("a"))).rejects.toBeInstanceOf(ConnectionLostError);
  expect(asked).toHaveLength(2);
  expect(vi.getTimerCount()).toBe(0);
});

test("a call can be aborted, also while it waits for its repetition", async () => {
  hurry();
  const controller = new AbortController();
  const { client, asked } = clientWith([DIED, ok()]);
  const answer = client.agents.get("a", { signal: controller.signal });
  await vi.advanceTimersByTimeAsync(1);
  controller.abort(new Error("enough"));
  await expect(settled(answer)).rejects.toThrow("enough");
  expect(asked).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("a client of no address, where no page has one, says what is missing", () => {
  expect(() => new Millrace()).toThrow(MillraceError);
});

test("each function of a deployment may have an address of its own", async () => {
  const urls: string[] = [];
  const fetch = async (url: string | URL | Request) => (urls.push(String(url)), ok());
  const client = new Millrace({ baseUrl: (path) => (path.startsWith("/api/voice") ? "https://voice/" : "https://api"), fetch });
  await client.voice.listVoices();
  await client.agents.get("a");
  expect(urls).toEqual(["https://voice/api/voice/voices", "https://api/api/agents/a"]);
});

test("a file is announced, and then sent to the storage by the form that was signed", async () => {
  const upload = { url: "https://s3.example.com/bucket", fields: { key: "k", policy: "p" } };
  const { client, asked } = clientWith([ok({ fileId: "file_1", upload }), new Response(null, { status: 204 })]);
  const file = new File(["hello"], "a.txt", { type: "text/plain" });
  expect((await client.files.upload(file)).fileId).toBe("file_1");
  expect(asked[0]?.body).toEqual({ name: "a.txt", mediaType: "text/plain", size: 5 });
  const form = asked[1]?.body as FormData;
  expect([...form.keys()]).toEqual(["key", "policy", "file"]);
  expect(asked[1]?.headers.has("Authorization")).toBe(false);
});

test("speech is the response itself, so that it can be played as it is made", async () => {
  const { client, asked } = clientWith([new Response("RIFF"), refused(422, "unknown_voice")]);
  expect(await (await client.voice.speak({ text: "Hello", voice: "alloy", format: "wav" })).text()).toBe("RIFF");
  await expect(client.voice.speakRun("run_1")).rejects.toBeInstanceOf(InvalidRequestError);
  expect(asked.map(({ path }) => path)).toEqual(["/api/voice/tts/stream", "/api/voice/conversations/run_1/stream"]);
});

test("a stream ends with waiting, unless it is told to stay", async () => {
  const lines = goldenLines("approval");
  const one = await serve((_, response) => void beginStream(response).end(lines.map(frame).join("")));
  const client = new Millrace({ baseUrl: one.url });
  const types: string[] = [];
  const stream = client.runs.stream("run_1");
  for await (const event of stream) types.push(event.type);
  expect(types.at(-1)).toBe("waiting");
  const rest: string[] = [];
  for await (const event of client.runs.stream("run_1", { keepWaiting: true })) rest.push(event.type);
  expect(rest.at(-1)).toBe("done");
  expect(rest.length).toBeGreaterThan(types.length);
});

test("a question is answered once more in a stream of its own", async () => {
  const lines = goldenLines("answer");
  const one = await serve((_, response) => void beginStream(response).end(lines.map(frame).join("")));
  const stream = await new Millrace({ baseUrl: one.url }).conversations.regenerateStream("conv_1", { messageId: "msg_1" }, { detail: "full" });
  for await (const _ of stream);
  expect(stream.lastEventId).toBe(lines.at(-1)?.id);
  expect(one.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
    ["POST", "/api/conversations/conv_1/regenerate?detail=full", '{"messageId":"msg_1"}'],
  ]);
});

test("the answer of an agent may take a quarter of an hour, and a list may not", async () => {
  hurry();
  const { client, asked } = clientWith([], { maxRetries: 0 });
  const waiting = [client.conversations.sendMessage({ content: "Hi" }), client.flows.run("f", {}), client.conversations.regenerate("c", {})];
  const failures = waiting.map((call) => call.then(() => null, (error: unknown) => error));
  const list = client.conversations.listMessages("c").then(() => null, (error: unknown) => error);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await list).toBeInstanceOf(ConnectionLostError);
  await vi.advanceTimersByTimeAsync(899_999 - 60_000);
  expect(vi.getTimerCount()).toBe(3);
  await vi.advanceTimersByTimeAsync(1);
  for (const failure of await Promise.all(failures)) expect(failure).toBeInstanceOf(ConnectionLostError);
  expect(asked).toHaveLength(4);
});

test("the command center's stream goes on after the last event, with its filters", async () => {
  const events = [48, 49].map((id) => ({ id: String(id), event: { type: "run:progress", runId: "r" } }));
  const one = await serve((request, response) => {
    const seen = request.headers["last-event-id"];
    beginStream(response).end(events.filter(({ id }) => Number(id) === Number(seen) + 1).map(frame).join(""));
  });
  const client = new Millrace({ baseUrl: one.url });
  const stream = client.commandCenter.stream({ agentIds: ["a", "b"], eventTypes: ["run:progress"], since: 47, wake: AWAKE });
  for await (const event of stream) if (stream.lastEventId === "49") break; else expect(event.type).toBe("run:progress");
  expect(one.requests.map(({ url, headers }) => [url, headers["last-event-id"]])).toEqual([
    ["/api/command-center/stream?agentIds=a%2Cb&eventTypes=run%3Aprogress", "47"],
    ["/api/command-center/stream?agentIds=a%2Cb&eventTypes=run%3Aprogress", "48"],
  ]);
});

test("a task's stream ends with its final state", async () => {
  const updates = ["working", "completed"].map((status, index) => ({ id: `run_1.${index}`, event: { type: "statusUpdate", status } }));
  const one = await serve((_, response) => void beginStream(response).write(updates.map(frame).join("")));
  const states: unknown[] = [];
  for await (const { status } of new Millrace({ baseUrl: one.url }).a2a.streamTask("run_1")) states.push(status);
  expect(states).toEqual(["working", "completed"]);
  await vi.waitFor(() => expect(one.sockets.size).toBe(0));
});
