import { getEventListeners } from "node:events";
import type { ServerResponse } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { AuthenticationError, ConnectionLostError, type EventStream, Millrace, type RunEvent, RunReducer, type RunState } from "../src/index.js";
import { AWAKE, type Received, after, beginStream, frame, goldenLines, goldenState, json, serve } from "./server.js";

const NAMES = ["tools_between_text", "rewind", "live_message", "failed", "sub_agent"];
const MESSAGE = { conversationId: "conv_1", content: "Hello" };
const OPTIONS = { wake: AWAKE, keepWaiting: true };

async function stateOf(stream: EventStream<RunEvent>): Promise<RunState> {
  const run = new RunReducer();
  for await (const event of stream) run.add(event, stream.eventId);
  return run.state;
}

/** Answers each request with the rest of the golden stream, and cuts the first answer as `cut` says. */
function server(name: string, cut: (response: ServerResponse, frames: readonly string[]) => void) {
  const lines = goldenLines(name);
  let isCut = false;
  return serve((request, response) => {
    const frames = after(lines, request.headers["last-event-id"] as string | undefined).map(frame);
    beginStream(response);
    if (!isCut) cut(response, frames);
    else response.end(frames.join(""));
    isCut = true;
  });
}

/** The timers that run: Node's own for its connections do not keep the process. */
function watchTimers() {
  const started = vi.spyOn(globalThis, "setTimeout");
  const cleared = vi.spyOn(globalThis, "clearTimeout");
  return () => {
    const ended = new Set<unknown>(cleared.mock.calls.map(([timer]) => timer));
    return started.mock.results.filter(({ value }) => (value as NodeJS.Timeout).hasRef() && !ended.has(value));
  };
}

async function withoutLeaks(use: (client: Millrace, signal: AbortSignal) => Promise<void>, url: string): Promise<void> {
  const { signal } = new AbortController();
  const running = watchTimers();
  await use(new Millrace({ baseUrl: url, token: "t" }), signal);
  expect(running()).toEqual([]);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  vi.restoreAllMocks();
}

describe.each(NAMES)("the stream of %s", (name) => {
  const count = goldenLines(name).length;

  test("leads to the same state by one POST, wherever it is cut, between events or inside of one", async () => {
    for (let cut = 0; cut < count * 2; cut += 1) {
      const one = await server(name, (response, frames) => {
        const whole = frames.slice(0, Math.floor(cut / 2)).join("");
        const part = cut % 2 ? (frames[Math.floor(cut / 2)] ?? "").slice(0, -7) : "";
        response.write(whole + part, () => response.destroy());
      });
      await withoutLeaks(async (client, signal) => {
        const stream = await client.conversations.sendMessageStream(MESSAGE, { ...OPTIONS, signal });
        expect(await stateOf(stream)).toEqual(goldenState(name));
      }, one.url);
      expect(one.of("POST")).toHaveLength(1);
      expect(one.of("GET").map(({ url }) => url)).toEqual(["/api/runs/run_1/stream"]);
      await one.stop();
    }
  });

  test("leads to the same state after a black hole at any event", async () => {
    for (let cut = 1; cut < count; cut += 1) {
      const one = await server(name, (response, frames) => void response.write(frames.slice(0, cut).join("")));
      await withoutLeaks(async (client, signal) => {
        const stream = await client.conversations.sendMessageStream(MESSAGE, { ...OPTIONS, signal, silenceMs: 30 });
        expect(await stateOf(stream)).toEqual(goldenState(name));
      }, one.url);
      expect(one.of("POST")).toHaveLength(1);
      await one.stop();
    }
  });

  test("can be aborted at any moment, and gives back its socket", async () => {
    for (let cut = 0; cut < count; cut += 1) {
      const one = await server(name, (response, frames) => void response.write(frames.slice(0, cut + 1).join("")));
      await withoutLeaks(async (client, signal) => {
        const stream = await client.conversations.sendMessageStream(MESSAGE, { ...OPTIONS, signal });
        let seen = 0;
        for await (const _ of stream) if ((seen += 1) > cut) stream.abort();
        expect(seen).toBe(cut + 1);
      }, one.url);
      await vi.waitFor(() => expect(one.sockets.size).toBe(0));
      await one.stop();
    }
  });
});

test("abort ends a loop that waits for an event, and a loop that waits to reconnect", async () => {
  const hole = await server("answer", (response, frames) => void response.write(frames[0]));
  const stream = await new Millrace({ baseUrl: hole.url }).conversations.sendMessageStream(MESSAGE);
  await stream.next();
  const next = stream.next();
  stream.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  await vi.waitFor(() => expect(hole.sockets.size).toBe(0));

  const links: string[] = [];
  const cut = await server("answer", (response, frames) => void response.write(frames[0], () => response.destroy()));
  const options = { onLink: (state: string) => void links.push(state) };
  const waiting = await new Millrace({ baseUrl: cut.url }).conversations.sendMessageStream(MESSAGE, options);
  await waiting.next();
  const later = waiting.next();
  await vi.waitFor(() => expect(links.at(-1)).toBe("waiting"));
  waiting.abort();
  expect((await later).done).toBe(true);
});

test("the caller's signal ends the loop with its reason", async () => {
  const hole = await server("answer", (response, frames) => void response.write(frames[0]));
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const stream = await new Millrace({ baseUrl: hole.url }).conversations.sendMessageStream(MESSAGE, options);
  const state = stateOf(stream);
  controller.abort(new Error("enough"));
  await expect(state).rejects.toThrow("enough");
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

test("leaving the loop closes the connection, and the run is not asked for again", async () => {
  const one = await server("answer", (response, frames) => void response.write(frames.slice(0, 2).join("")));
  const stream = await new Millrace({ baseUrl: one.url }).conversations.sendMessageStream(MESSAGE);
  for await (const event of stream) if (event.type === "token") break;
  await vi.waitFor(() => expect(one.sockets.size).toBe(0));
  expect(one.requests).toHaveLength(1);
});

test.each([429, 503])("a message that is refused with %i is sent again under its own key", async (status) => {
  const lines = goldenLines("answer");
  const one = await serve((_, response) => {
    if (one.requests.length === 1) json(response, status, { error: { code: "busy", message: "Busy." } }, { "Retry-After": "0.01" });
    else beginStream(response).end(lines.map(frame).join(""));
  });
  const stream = await new Millrace({ baseUrl: one.url }).conversations.sendMessageStream(MESSAGE, OPTIONS);
  expect(await stateOf(stream)).toEqual(goldenState("answer"));
  const keys = one.of("POST").map(({ headers }) => headers["idempotency-key"]);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBeTruthy();
  expect(keys[1]).toBe(keys[0]);
});

test("a message whose answer is lost before its headers is sent again under its own key", async () => {
  const lines = goldenLines("answer");
  const one = await serve((_, response) => {
    if (one.requests.length === 1) response.destroy();
    else beginStream(response).end(lines.map(frame).join(""));
  });
  const stream = await new Millrace({ baseUrl: one.url }).conversations.sendMessageStream(MESSAGE, OPTIONS);
  expect(await stateOf(stream)).toEqual(goldenState("answer"));
  expect(new Set(one.of("POST").map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
});

/** Takes only the token "new". */
function guarded(answer: (request: Received, response: ServerResponse) => void) {
  return serve((request, response) => {
    if (request.headers.authorization === "Bearer new") answer(request, response);
    else json(response, 401, { error: { code: "token_invalid", message: "The token has expired." } });
  });
}

test("an expired token is renewed once for all requests, also in the middle of a stream", async () => {
  const lines = goldenLines("answer");
  let isExpired = false;
  const one = await serve((request, response) => {
    const isNew = request.headers.authorization === "Bearer new";
    if (isExpired && !isNew) return json(response, 401, { error: { code: "token_invalid", message: "Expired." } });
    const frames = after(lines, request.headers["last-event-id"] as string | undefined).map(frame);
    if (isExpired) return void beginStream(response).end(frames.join(""));
    isExpired = true;
    beginStream(response).write(frames.slice(0, 2).join(""), () => response.destroy());
  });
  const token = vi.fn(async (rejected: string | null) => (rejected === null ? "old" : "new"));
  const client = new Millrace({ baseUrl: one.url, token });
  const stream = await client.conversations.sendMessageStream(MESSAGE, OPTIONS);
  expect(await stateOf(stream)).toEqual(goldenState("answer"));
  expect(token.mock.calls).toEqual([[null], ["old"]]);
  expect(one.of("POST")).toHaveLength(1);
});

test("requests at the same time share one renewal", async () => {
  const one = await guarded((_, response) => json(response, 200, { items: [], nextCursor: null }));
  const token = vi.fn(async (rejected: string | null) => (rejected === null ? "old" : "new"));
  const client = new Millrace({ baseUrl: one.url, token });
  await Promise.all([client.agents.list(), client.flows.list(), client.streaming.listPipelines()]);
  expect(token.mock.calls).toEqual([[null], ["old"]]);
});

test("a token that cannot be renewed is the caller's error at once", async () => {
  const one = await guarded((_, response) => json(response, 200, {}));
  await expect(new Millrace({ baseUrl: one.url, token: "old" }).agents.list()).rejects.toBeInstanceOf(AuthenticationError);
  const client = new Millrace({ baseUrl: one.url, token: () => Promise.reject(new Error("signed out")) });
  const failure = await client.conversations.sendMessageStream(MESSAGE).catch((error: unknown) => error);
  expect(failure).toMatchObject({ name: "MillraceError", cause: new Error("signed out") });
  expect(one.requests).toHaveLength(1);
});

test("no timeout runs while a session waits for its user", async () => {
  const one = await guarded((_, response) => json(response, 200, { items: [], nextCursor: null }));
  const running = watchTimers();
  const timers: number[] = [];
  const waiting = (token: string) => async () => {
    await new Promise(setImmediate);
    timers.push(running().length);
    return token;
  };
  const session = { token: waiting("old"), renew: waiting("new"), refused: vi.fn() };
  await new Millrace({ baseUrl: one.url, token: session }).agents.list();
  expect(timers).toEqual([0, 0]);
  expect(session.refused).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

test("the user of a session may change between two requests", async () => {
  const one = await guarded((_, response) => json(response, 200, { items: [], nextCursor: null }));
  const tokens = ["old", "new"];
  const session = { token: () => tokens.shift() ?? "new", renew: () => "new" };
  const client = new Millrace({ baseUrl: one.url, token: session });
  await client.agents.list();
  await client.agents.list();
  expect(one.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer old", "Bearer new", "Bearer new"]);
});

test("a session whose renewed token is refused is told", async () => {
  const one = await guarded((_, response) => json(response, 200, {}));
  const session = { token: () => "old", renew: () => "older", refused: vi.fn() };
  await expect(new Millrace({ baseUrl: one.url, token: session }).agents.list()).rejects.toBeInstanceOf(AuthenticationError);
  expect(session.refused).toHaveBeenCalledTimes(1);
  expect(one.requests).toHaveLength(2);
});

test("a reader who is slower than the server gets everything", async () => {
  const lines = goldenLines("answer");
  const many = Array.from({ length: 20_000 }, (_, index) => ({ id: `run_1.${index + 2}`, event: { type: "token", token: "word " } }));
  const end = { id: "run_1.30000", event: { type: "done" } };
  const one = await serve((_, response) => void beginStream(response).end([lines[0]!, ...many, end].map(frame).join("")));
  const stream = await new Millrace({ baseUrl: one.url }).conversations.sendMessageStream(MESSAGE, { silenceMs: 40 });
  let seen = 0;
  for await (const event of stream) {
    if (event.type === "token" && (seen += 1) % 5000 === 0) await new Promise((resolve) => setTimeout(resolve, 60));
  }
  expect(seen).toBe(20_000);
});

test("a server that never answers is given up after five repetitions", async () => {
  const one = await serve((_, response) => response.destroy());
  const stream = new Millrace({ baseUrl: one.url }).conversations.sendMessageStream(MESSAGE, OPTIONS);
  await expect(stream).rejects.toBeInstanceOf(ConnectionLostError);
  expect(one.requests).toHaveLength(6);
});
