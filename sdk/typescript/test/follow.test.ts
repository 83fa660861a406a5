import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  ConnectionLostError,
  type FollowOptions,
  PermissionDeniedError,
  type Position,
  RateLimitError,
  type RunEvent,
  backoffDelay,
  follow,
  isTerminal,
  parseRunEvent,
} from "../src/index.js";
import { StreamedResponse, encode, sse } from "./bytes.js";

/** Without jitter: each wait is the whole of its delay. */
beforeEach(() => void (vi.useFakeTimers(), vi.spyOn(Math, "random").mockReturnValue(0)));
afterEach(() => void (vi.useRealTimers(), vi.restoreAllMocks()));

const START = sse(1, { type: "start", runId: "r1", conversationId: "c", messageId: "m" });
const DONE = { type: "done", finishReason: "stop" };
const token = (id: number, text: string) => sse(id, { type: "token", token: text });

type Answer = Response | Error;

/** Follows a run whose requests get `answers`, one after the other. */
function followed(answers: readonly Answer[], options: Partial<FollowOptions<RunEvent>> = {}) {
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
  const received = follow<RunEvent>({
    open,
    wake,
    signal: controller.signal,
    parse: parseRunEvent,
    isLast: isTerminal,
    onLink: (state) => void links.push(state),
    ...options,
  });
  const read = async () => {
    for await (const { event } of received) events.push(event);
    return events.some(isTerminal) ? "ended" : "nothing";
  };
  const outcome = read();
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
  const error = await followed([new Response("<html>", { status: 403 })]).outcome.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PermissionDeniedError);
  expect(error).toMatchObject({ code: "http_403", message: expect.stringMatching(/status 403.*proxy/) as string });
});

test("a server that wants to be left alone for minutes is not waited for", async () => {
  const run = followed([refusal(429, { "Retry-After": "61" })]);
  await expect(run.outcome).rejects.toBeInstanceOf(RateLimitError);
  expect(run.positions).toHaveLength(1);
});

test("a refusal by a date in Retry-After waits until then", async () => {
  vi.setSystemTime(new Date("2026-11-26T12:00:00Z"));
  const stream = new StreamedResponse().write(START, sse(2, DONE));
  const run = followed([refusal(503, { "Retry-After": "Thu, 26 Nov 2026 12:00:20 GMT" }), stream.response]);
  await vi.advanceTimersByTimeAsync(19_999);
  expect(run.positions).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  await expect(run.outcome).resolves.toBe("ended");
});

test("the jittered wait lies between the half and the whole of the delay", async () => {
  vi.mocked(Math.random).mockReturnValue(0.999999);
  const stream = new StreamedResponse().write(START, sse(2, DONE));
  const run = followed([new TypeError(), stream.response]);
  await vi.advanceTimersByTimeAsync(499);
  expect(run.positions).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  await expect(run.outcome).resolves.toBe("ended");
});

test("a run that the server has named is resumed by name, even if no event of it came", async () => {
  const first = new StreamedResponse();
  first.response.headers.set("X-Run-Id", "r1");
  const second = new StreamedResponse().write(START, sse(2, DONE));
  const run = followed([first.end().response, second.response]);
  await vi.advanceTimersByTimeAsync(1000);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.positions[1]).toEqual({ runId: "r1", lastEventId: null });
});

test("events of two runs on one stream are told apart by their runs", async () => {
  const other = 'id: r2.1\ndata: {"type":"token","token":"b"}\n\n';
  const first = new StreamedResponse().write(START, token(9, "a"), other).end();
  const second = new StreamedResponse().write(other, 'id: r2.2\ndata: {"type":"done"}\n\n');
  const run = followed([first.response, second.response]);
  await vi.advanceTimersByTimeAsync(1000);
  await expect(run.outcome).resolves.toBe("ended");
  expect(run.positions[1]).toEqual({ runId: "r2", lastEventId: "r2.1" });
  expect(run.text()).toBe("ab");
});

test("an event over the limit is an error, and no repetition", async () => {
  const stream = new StreamedResponse().write(`data: ${"x".repeat(5_000_000)}`);
  const run = followed([stream.response]);
  await expect(run.outcome).rejects.toThrow("too large");
  expect(run.positions).toHaveLength(1);
});

test("a slow reader is not taken for a silent connection, and loses nothing", async () => {
  const stream = new StreamedResponse().write(START, token(2, "a"), token(3, "b"), sse(4, DONE));
  const events = follow({ open: async () => stream.response, parse: parseRunEvent, signal: new AbortController().signal });
  const types: string[] = [];
  for (let count = 0; count < 4; count += 1) {
    types.push((await events.next()).value?.event.type ?? "");
    await vi.advanceTimersByTimeAsync(3_600_000);
  }
  expect(types).toEqual(["start", "token", "token", "done"]);
  await events.return();
  expect(vi.getTimerCount()).toBe(0);
});

test("a response that comes after the end is closed", async () => {
  const late = new StreamedResponse();
  let answer!: (response: Response) => void;
  const run = followed([], { open: () => new Promise((resolve) => (answer = resolve)) });
  await vi.advanceTimersByTimeAsync(0);
  run.controller.abort();
  await expect(run.outcome).rejects.toMatchObject({ name: "AbortError" });
  answer(late.response);
  await vi.advanceTimersByTimeAsync(0);
  expect(late.isCancelled).toBe(true);
});

test("what a request needs is waited for, however long it takes", async () => {
  let signIn = () => {};
  const ready = vi.fn(() => new Promise<void>((resolve) => (signIn = resolve)));
  const stream = new StreamedResponse();
  const { outcome, positions } = followed([stream.response], { ready, openMs: 1000, maxAttempts: 0 });
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect([ready.mock.calls.length, positions.length]).toEqual([1, 0]);
  signIn();
  stream.write(START, sse(2, DONE));
  expect(await outcome).toBe("ended");
});
