import type { ServerResponse } from "node:http";
import { expect, test, vi } from "vitest";
import { Millrace, textOf } from "../src/index.js";
import { type Conversation, useConversation } from "../src/react/index.js";
import { type Line, type TestServer, after, beginStream, frame, goldenLines, goldenState, json, serve } from "./server.js";
import { draw, eventually, mount } from "./screen.js";

/** A conversation whose runs stream golden lines, as far as the test lets them. */
async function conversationServer(lines: readonly Line[], stored: { activeRunId: string | null; items: object[] } | null = null) {
  const open = new Set<ServerResponse>();
  let told = 0;
  const server = await serve((request, response) => {
    const { method, url } = request;
    if (url.endsWith("/messages") && method === "POST" && !request.headers.accept?.includes("event-stream")) return json(response, 202, {});
    if (url.includes("/stream") || method === "POST" && url.endsWith("/messages")) {
      beginStream(response);
      for (const line of after(lines.slice(0, told), request.headers["last-event-id"] as string | undefined)) response.write(frame(line));
      open.add(response);
      return void response.on("close", () => open.delete(response));
    }
    if (method === "POST") return json(response, 202, { messageId: "live_1" });
    if (!stored) return json(response, 404, { error: { code: "conversation_not_found", message: "No." } });
    json(response, 200, url.includes("/messages") ? { items: stored.items, nextCursor: null } : stored);
  });
  const tell = (count = lines.length) => {
    for (const line of lines.slice(told, (told += count))) for (const response of open) response.write(frame(line));
  };
  return { server, tell, open };
}

let conversations = 0;

function shown(server: TestServer, conversationId = `conv_${(conversations += 1)}`, token = "t") {
  const client = new Millrace({ baseUrl: server.url, token });
  const seen: Conversation[] = [];
  const Chat = () => {
    seen.push(useConversation(client, { conversationId, agentId: "demo" }));
    return null;
  };
  const unmount = mount(<Chat />);
  return { unmount, seen, latest: () => seen.at(-1) as Conversation, conversationId };
}

test("a conversation goes from submitted over streaming to ready, with its parts in order", async () => {
  const { server, tell } = await conversationServer(goldenLines("tools_between_text"));
  const { latest, seen } = shown(server);
  await eventually(() => expect(latest().isLoading).toBe(false));
  expect(latest()).toMatchObject({ status: "ready", turns: [], messages: [] });
  void latest().send("Hello");
  await eventually(() => expect(latest().status).toBe("submitted"));
  tell(5);
  await eventually(() => expect(latest().status).toBe("streaming"));
  tell();
  await eventually(() => expect(latest().status).toBe("ready"));
  expect(latest().turns.map(({ content, run }) => [content, run])).toEqual([["Hello", goldenState("tools_between_text")]]);
  expect(latest().parts.map(({ type }) => type)).toEqual(["thinking", "text", "tool", "tool", "text"]);
  expect(new Set(seen.map(({ status }) => status))).toEqual(new Set(["ready", "submitted", "streaming"]));
  expect(server.of("POST")).toHaveLength(1);
});

test("many events are drawn once per frame", async () => {
  const tokens = Array.from({ length: 500 }, (_, index) => ({ id: `run_1.${index + 2}`, event: { type: "token", token: "x" } }));
  const { server, tell } = await conversationServer([goldenLines("answer")[0]!, ...tokens]);
  const { latest, seen } = shown(server);
  await eventually(() => expect(latest().isLoading).toBe(false));
  void latest().send("Hello");
  await vi.waitFor(() => expect(server.of("POST")).toHaveLength(1));
  tell();
  await eventually(() => expect(textOf(latest().parts)).toHaveLength(500));
  expect(seen.length).toBeLessThan(100);
});

test("a page that is hidden draws without frames", async () => {
  vi.stubGlobal("requestAnimationFrame", () => 1);
  const { server, tell } = await conversationServer(goldenLines("answer"));
  const { latest } = shown(server);
  await vi.waitFor(() => expect(latest().isLoading).toBe(false));
  void latest().send("Hello");
  tell();
  await vi.waitFor(() => expect(latest().status).toBe("ready"));
});

test("a run that waits takes answers and replies, and goes on", async () => {
  const lines = goldenLines("approval");
  const { server, tell } = await conversationServer(lines);
  const { latest } = shown(server);
  await eventually(() => expect(latest().isLoading).toBe(false));
  void latest().send("Refund it");
  tell(lines.findIndex(({ event }) => event.type === "waiting") + 1);
  await eventually(() => expect(latest().status).toBe("waiting"));
  await latest().answer({ callId: "call_1", decision: "approve" });
  await latest().send("Yes, do it");
  expect(server.of("POST").slice(1).map(({ url, body }) => [url.replace(/conv_\d+/, "conv"), JSON.parse(body) as unknown])).toEqual([
    ["/api/runs/run_1/answers", { callId: "call_1", decision: "approve" }],
    ["/api/conversations/conv/messages", { content: "Yes, do it", ifBusy: "inject" }],
  ]);
  tell();
  await eventually(() => expect(latest().status).toBe("ready"));
  expect(latest().turns).toHaveLength(1);
});

test("while the agent answers a message is a live one, and stop stops", async () => {
  const { server, tell } = await conversationServer(goldenLines("live_message"));
  const { latest } = shown(server);
  await eventually(() => expect(latest().isLoading).toBe(false));
  void latest().send("Count");
  tell(2);
  await eventually(() => expect(latest().status).toBe("streaming"));
  await latest().send("In French, please.");
  await latest().stop();
  expect(server.of("POST").slice(1).map(({ url }) => url.split("/").at(-1))).toEqual(["inject", "stop"]);
  tell();
  await eventually(() => expect(latest().parts.map(({ type }) => type)).toEqual(["text", "message", "text"]));
});

test("a message that is sent while the history loads stays, and is answered", async () => {
  const held: ServerResponse[] = [];
  const server = await serve((request, response) => {
    if (request.method === "POST") beginStream(response).end(goldenLines("answer").map(frame).join(""));
    else if (request.url.includes("/messages")) held.push(response);
    else json(response, 200, { activeRunId: null });
  });
  const { latest } = shown(server);
  await vi.waitFor(() => expect(held.length).toBeGreaterThan(0));
  void latest().send("Hello");
  await eventually(() => expect(latest().turns).toHaveLength(1));
  for (const response of held) json(response, 200, { items: STORED.items, nextCursor: null });
  await eventually(() => expect(latest()).toMatchObject({ status: "ready", isLoading: false }));
  expect(latest().turns[0]?.run).toEqual(goldenState("answer"));
  expect(latest().messages.map(({ id }) => id)).toEqual(["m1", "m2"]);
});

test("a message before the run has begun is refused, and changes nothing", async () => {
  const server = await serve((request, response) => {
    if (request.url.endsWith("/inject")) json(response, 409, { error: { code: "not_streaming", message: "No." } });
    else if (request.method === "POST") beginStream(response).flushHeaders();
    else json(response, 404, { error: { code: "conversation_not_found", message: "No." } });
  });
  const { latest } = shown(server);
  await eventually(() => expect(latest().isLoading).toBe(false));
  void latest().send("Hello");
  await eventually(() => expect(latest().status).toBe("submitted"));
  await expect(latest().send("And")).rejects.toMatchObject({ code: "not_streaming" });
  draw();
  expect(latest()).toMatchObject({ status: "submitted", error: null, turns: [{ content: "Hello" }] });
});

test("a run that failed, or never began, can be tried again, and is not run twice", async () => {
  const lines = goldenLines("failed");
  const server = await serve((request, response) => {
    const count = server.of("POST").length;
    if (request.method === "GET") json(response, 404, { error: { code: "conversation_not_found", message: "No." } });
    else if (count === 1) json(response, 422, { error: { code: "invalid", message: "No." } });
    else beginStream(response).end((count === 2 ? lines : goldenLines("answer")).map(frame).join(""));
  });
  const { latest } = shown(server);
  await eventually(() => expect(latest().isLoading).toBe(false));
  await latest().send("Hello");
  await eventually(() => expect(latest()).toMatchObject({ status: "error", error: { code: "invalid" } }));
  await latest().retry();
  await eventually(() => expect(latest()).toMatchObject({ status: "error", error: null }));
  expect(latest().turns[0]?.run.error?.code).toBe("incomplete_response");
  await latest().retry();
  await eventually(() => expect(latest().status).toBe("ready"));
  expect(latest().turns).toHaveLength(1);
  const keys = server.of("POST").map(({ headers }) => headers["idempotency-key"]);
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[1]);
});

const STORED = {
  activeRunId: "run_1",
  items: [
    { id: "m1", role: "user", content: [{ text: "Before" }], runId: "run_0" },
    { id: "m2", role: "assistant", content: [{ text: "That" }], runId: "run_0" },
    { id: "m3", role: "user", content: [{ text: "Now" }], runId: "run_1" },
  ],
};

test("a page that comes in the middle of a run shows the history, the question and the run", async () => {
  const { server, tell } = await conversationServer(goldenLines("answer"), STORED);
  const { latest } = shown(server);
  tell(3);
  await eventually(() => expect(latest().status).toBe("streaming"));
  expect(latest().messages.map(({ id }) => id)).toEqual(["m1", "m2"]);
  expect(latest().turns[0]?.content).toBe("Now");
  tell();
  await eventually(() => expect(latest().turns[0]?.run).toEqual(goldenState("answer")));
});

test("another page shows the run that this one begins", async () => {
  const { server, tell } = await conversationServer(goldenLines("answer"));
  const one = shown(server);
  const other = shown(server, one.conversationId);
  await eventually(() => expect([one.latest().isLoading, other.latest().isLoading]).toEqual([false, false]));
  void one.latest().send("Hello");
  tell(2);
  await eventually(() => expect(other.latest().status).toBe("streaming"));
  tell();
  await eventually(() => expect([one.latest().status, other.latest().status]).toEqual(["ready", "ready"]));
  expect(other.latest().turns.map(({ content, run }) => [content, run])).toEqual([["Hello", goldenState("answer")]]);
});

test("another user in the same browser sees nothing of it", async () => {
  const { server, tell } = await conversationServer(goldenLines("answer"));
  const one = shown(server);
  const other = shown(server, one.conversationId, "another");
  await eventually(() => expect([one.latest().isLoading, other.latest().isLoading]).toEqual([false, false]));
  void one.latest().send("Hello");
  tell();
  await eventually(() => expect(one.latest().status).toBe("ready"));
  const last = shown(server, one.conversationId, "another");
  await eventually(() => expect(last.latest().isLoading).toBe(false));
  expect([other.latest().turns, last.latest().turns]).toEqual([[], []]);
});

test("when the component goes, at any event, everything is closed", async () => {
  const lines = goldenLines("answer");
  for (let count = 0; count < lines.length; count += 1) {
    const { server, tell, open } = await conversationServer(lines);
    const { latest, unmount, seen } = shown(server);
    await eventually(() => expect(latest().isLoading).toBe(false));
    void latest().send("Hello");
    await vi.waitFor(() => expect(open.size).toBe(1));
    tell(count);
    unmount();
    await vi.waitFor(() => expect(open.size).toBe(0));
    const before = seen.length;
    tell();
    draw();
    expect(seen).toHaveLength(before);
    await server.stop();
  }
  await vi.waitFor(async () => expect((await navigator.locks.query()).held).toEqual([]));
});
