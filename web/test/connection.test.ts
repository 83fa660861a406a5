import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { backoffDelay } from "../src/stream/clock";
import { type FollowOptions, type Position, follow } from "../src/stream/connection";
import { ConnectionLostError, HttpError } from "../src/stream/errors";
import type { RunEvent } from "../src/stream/events";
import { StreamedResponse, encode, sse } from "./bytes";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const START = sse(1, { type: "start", runId: "r1", conversationId: "c", messageId: "m" });
const DONE = { type: "done", finishReason: "stop" };
const token = (id: number, text: string) => sse(id, { type: "token", token: text });

type Answer = Response | Error;

/** Follows a run whose requests get `answers`, one after the other. */
function followed(answers: readonly Answer[], options: Partial<FollowOptions> = {}) {
  const positions: Position[] = [];
  const events: RunEvent[] = [];
  const links: string[] = [];
  const controller = new AbortController();
  const wake = new EventTarget();
  const open = async (position: Position): Promise<Response> => {
    positions.push(position);
    const answer = answers[positions.length - 1] ?? new TypeError("no network");
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const outcome = follow({
    open,
    wake,
    signal: controller.signal,
    onEvent: (event) => void events.push(event),
    onLink: (state) => void links.push(state),
    ...options,
  });
  outcome.catch(() => undefined);
  const text = () => events.map((event) => (event.type === "token" ? event.token : "")).join("");
  return { outcome, positions, events, links, controller, wake, text };
}

const refusal = (status: number, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ error: { code: "no", message: "No.", requestId: "q" } }), { status, headers });

test("the delay doubles from one second to thirty", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 60].map(backoffDelay)).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
});

test("events arrive in order until the last one, and the connection is closed", async () => {
  const stream = new StreamedResponse().write(START, token(2, "a"), token(3, "b"), sse(4, DONE));
  const run = followed([stream.response]);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.events.map((event) => event.type)).toEqual(["start", "token", "token", "done"]);
});

test.each(["end", "break"] as const)("after an %s of the connection nothing is lost or doubled", async (how) => {
  const first = new StreamedResponse().write(START, token(2, "a"), token(3, "b"));
  const second = new StreamedResponse().write(token(2, "a"), token(3, "b"), token(4, "c"), sse(5, DONE));
  const run = followed([first.response, second.response]);
  await vi.advanceTimersByTimeAsync(0);
  expect(run.text()).toBe("ab");
  first[how]();
  await vi.advanceTimersByTimeAsync(999);
  expect(run.positions).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.positions[1]).toEqual({ runId: "r1", lastEventId: "r1.3" });
  expect(run.text()).toBe("abc");
  expect(run.links).toEqual(["connecting", "open", "waiting", "connecting", "open"]);
});

test("an event cut in its middle comes whole with the next connection", async () => {
  const bytes = encode(token(2, "Grüße"));
  const first = new StreamedResponse().write(START, bytes.subarray(0, 35)).end();
  const second = new StreamedResponse().write(token(2, "Grüße"), sse(3, DONE));
  const run = followed([first.response, second.response]);
  await vi.advanceTimersByTimeAsync(1000);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.text()).toBe("Grüße");
});

test("fifteen seconds of silence end a connection, heartbeats keep it", async () => {
  const first = new StreamedResponse().write(START);
  const second = new StreamedResponse().write(sse(2, DONE));
  const run = followed([first.response, second.response]);
  for (let beat = 0; beat < 4; beat += 1) {
    await vi.advanceTimersByTimeAsync(14_999);
    first.write(sse(null, { type: "heartbeat" }));
  }
  await vi.advanceTimersByTimeAsync(14_999);
  expect(run.links).toEqual(["connecting", "open"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(run.links.at(-1)).toBe("waiting");
  await vi.advanceTimersByTimeAsync(1000);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.events.map((event) => event.type)).toEqual(["start", "done"]);
});

test("a request without any answer is given up after thirty seconds", async () => {
  const aborts: unknown[] = [];
  const open = (_: Position, signal: AbortSignal) =>
    new Promise<Response>((_resolve, reject) =>
      signal.addEventListener("abort", () => (aborts.push(signal.reason), reject(signal.reason))),
    );
  const run = followed([], { open, maxAttempts: 0 });
  await vi.advanceTimersByTimeAsync(30_000);
  await expect(run.outcome).rejects.toBeInstanceOf(ConnectionLostError);
  expect(aborts).toHaveLength(1);
});

test("204 says that there is nothing more", async () => {
  await expect(followed([new Response(null, { status: 204 })]).outcome).resolves.toBe("nothing");
});

test("a refusal is thrown at once with its code, message and request", async () => {
  const run = followed([refusal(422)]);
  await expect(run.outcome).rejects.toMatchObject({ status: 422, code: "no", message: "No.", requestId: "q" });
});

test("an answer that is no event stream is an error, not silence", async () => {
  await expect(followed([Response.json({})]).outcome).rejects.toMatchObject({ code: "not_a_stream" });
});

test.each([429, 500, 503])("status %i is tried again, not sooner than the server wants", async (status) => {
  const stream = new StreamedResponse().write(START, sse(2, DONE));
  const run = followed([refusal(status, { "Retry-After": "7" }), stream.response]);
  await vi.advanceTimersByTimeAsync(6999);
  expect(run.positions).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  await expect(run.outcome).resolves.toBe("ended");
});

test("attempts that bring nothing are limited, and progress starts the count anew", async () => {
  const first = new StreamedResponse().write(START).end();
  const run = followed([new TypeError(), new TypeError(), first.response], { maxAttempts: 2 });
  await vi.advanceTimersByTimeAsync(60_000);
  await expect(run.outcome).rejects.toBeInstanceOf(ConnectionLostError);
  expect(run.positions).toHaveLength(5);
});

test("a server that only repeats old events is not progress", async () => {
  const answers = Array.from({ length: 9 }, () => new StreamedResponse().write(START).end().response);
  const run = followed(answers, { maxAttempts: 3 });
  await vi.advanceTimersByTimeAsync(120_000);
  await expect(run.outcome).rejects.toBeInstanceOf(ConnectionLostError);
  expect(run.positions).toHaveLength(4);
});

test("a network that comes back ends the wait", async () => {
  const stream = new StreamedResponse().write(START, sse(2, DONE));
  const run = followed([new TypeError(), new TypeError(), new TypeError(), stream.response]);
  await vi.advanceTimersByTimeAsync(3000);
  expect(run.positions).toHaveLength(3);
  run.wake.dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(0);
  await expect(run.outcome).resolves.toBe("ended");
});

test.each(["open", "waiting"])("abort ends a connection that is %s and leaves no timer", async (when) => {
  const stream = new StreamedResponse().write(START);
  const run = followed(when === "open" ? [stream.response] : []);
  await vi.advanceTimersByTimeAsync(0);
  run.controller.abort();
  await expect(run.outcome).rejects.toMatchObject({ name: "AbortError" });
  expect(vi.getTimerCount()).toBe(0);
});

test("an end that is not in the log has no id, and still ends the run", async () => {
  const stream = new StreamedResponse().write(START, sse(null, { type: "error", message: "Gone.", code: "deleted" }));
  const run = followed([stream.response]);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.events.map((event) => event.type)).toEqual(["start", "error"]);
});

test("after a takeover numbers go on above a gap", async () => {
  const first = new StreamedResponse().write(START, token(2, "a")).break();
  const second = new StreamedResponse().write(START, token(2, "a"), token(10_003, "b"), sse(10_004, DONE));
  const run = followed([first.response, second.response]);
  await vi.advanceTimersByTimeAsync(1000);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.text()).toBe("ab");
});

test("broken and unknown events are passed over", async () => {
  const stream = new StreamedResponse().write(
    START,
    "id: r1.2\ndata: {not json\n\n",
    sse(3, { type: "token", token: 7 }),
    sse(4, { type: "constructor" }),
    "data: null\n\n",
    sse(5, { type: "from_the_future" }),
    sse(6, DONE),
  );
  const run = followed([stream.response]);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.events.map((event) => event.type)).toEqual(["start", "done"]);
});

test("a page in place of the error object still makes a readable error", async () => {
  const run = followed([new Response("<html>", { status: 403 })]);
  await expect(run.outcome).rejects.toEqual(new HttpError(403, "http_403", "The server answered with status 403."));
});
