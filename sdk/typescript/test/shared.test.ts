import { afterEach, expect, test, vi } from "vitest";
import { EventStream, Millrace, type RunEvent, RunReducer, isTerminal, parseRunEvent } from "../src/index.js";
import { SharedStream, ownStream, scopeOf } from "../src/shared/index.js";
import { AWAKE, type Line, type TestServer, after, beginStream, frame, goldenLines, goldenState, serve } from "./server.js";

afterEach(() => void (vi.useRealTimers(), vi.unstubAllGlobals()));

/** Streams that the server holds open; `tell` sends them what comes next. */
async function liveServer(lines: readonly Line[]) {
  const open = new Set<(line: Line) => void>();
  let told = 0;
  const server = await serve((request, response) => {
    const seen = request.headers["last-event-id"] as string | undefined;
    beginStream(response);
    const send = (line: Line) => void response.write(frame(line));
    for (const line of after(lines.slice(0, told), seen)) send(line);
    open.add(send);
    response.on("close", () => open.delete(send));
  });
  const tell = (count: number) => {
    for (const line of lines.slice(told, (told += count))) for (const send of open) send(line);
  };
  return { server, open, tell };
}

let names = 0;

function runStream(server: TestServer, lastEventId: string | null): EventStream<RunEvent> {
  return new EventStream<RunEvent>({
    after: lastEventId,
    wake: AWAKE,
    open: (at, signal) => fetch(server.url, { signal, headers: at.lastEventId === null ? {} : { "Last-Event-ID": at.lastEventId } }),
    parse: parseRunEvent,
    isLast: isTerminal,
  });
}

function sharedRun(server: TestServer, name: string, position: string | null = null): SharedStream<RunEvent> {
  return new SharedStream<RunEvent>({ name, after: position, open: (lastEventId) => runStream(server, lastEventId) });
}

/** A page that shows the run: what it has seen so far. */
function page(server: TestServer, name: string, position: string | null = null) {
  const run = new RunReducer();
  const types: string[] = [];
  const shared = sharedRun(server, name, position);
  const done = (async () => {
    for await (const event of shared) {
      types.push(event.type);
      run.add(event, shared.eventId);
    }
  })();
  done.catch(() => undefined);
  return { shared, run, types, done };
}

test("pages that want the same stream share one connection, those that come late too", async () => {
  const lines = goldenLines("tools_between_text");
  const { server, tell, open } = await liveServer(lines);
  const name = `run:${(names += 1)}`;
  const pages = [page(server, name), page(server, name)];
  await vi.waitFor(() => expect(open.size).toBe(1));
  tell(5);
  await vi.waitFor(() => expect(pages.map(({ types }) => types.length)).toEqual([5, 5]));
  pages.push(page(server, name));
  await vi.waitFor(() => expect(pages[2]?.types).toHaveLength(5));
  expect(server.requests).toHaveLength(1);
  tell(lines.length);
  await Promise.all(pages.map(({ done }) => done));
  for (const { run } of pages) expect(run.state).toEqual(goldenState("tools_between_text"));
  expect(server.requests).toHaveLength(1);
});

test("when the page that reads goes, at any event, another one goes on, and nothing is lost or doubled", async () => {
  const lines = goldenLines("rewind");
  for (let cut = 0; cut < lines.length; cut += 1) {
    const { server, tell, open } = await liveServer(lines);
    const name = `run:${(names += 1)}`;
    const first = page(server, name);
    await vi.waitFor(() => expect(open.size).toBe(1));
    const second = page(server, name);
    tell(cut);
    await vi.waitFor(() => expect(first.types).toHaveLength(cut));
    first.shared.abort();
    await vi.waitFor(() => expect(server.requests).toHaveLength(2));
    tell(lines.length);
    await second.done;
    expect(second.run.state).toEqual(goldenState("rewind"));
    expect(second.types).toEqual(lines.map(({ event }) => event.type));
    await server.stop();
  }
});

test("a page that wants more than the reading page knows reads for itself", async () => {
  const lines = goldenLines("answer");
  const { server, tell, open } = await liveServer(lines);
  const name = `run:${(names += 1)}`;
  tell(2);
  const late = page(server, name, "run_1.2");
  await vi.waitFor(() => expect(open.size).toBe(1));
  const whole = page(server, name);
  await vi.waitFor(() => expect(open.size).toBe(2));
  tell(lines.length);
  await Promise.all([late.done, whole.done]);
  expect(whole.run.state).toEqual(goldenState("answer"));
  expect(late.types).toEqual(["token", "token", "done"]);
});

test("a page that comes counts no event before it knows what it missed", async () => {
  const lines = goldenLines("tools_between_text");
  const { server, tell } = await liveServer(lines);
  const name = `run:${(names += 1)}`;
  const first = page(server, name);
  tell(5);
  await vi.waitFor(() => expect(first.types).toHaveLength(5));
  const late = page(server, name);
  const faster = new BroadcastChannel(`millrace:${name}`);
  faster.postMessage({ type: "event", received: lines[4] });
  await vi.waitFor(() => expect(late.types).toHaveLength(5));
  faster.close();
  tell(lines.length);
  await Promise.all([first.done, late.done]);
  expect(late.run.state).toEqual(goldenState("tools_between_text"));
});

function jwt(claims: object): string {
  return `head.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.signature`;
}

test("streams are shared by pages of one user, whose token may be renewed, and not with others", async () => {
  const scope = (token: string) => scopeOf(new Millrace({ baseUrl: "http://localhost", token }));
  const mine = await scope(jwt({ iss: "i", sub: "ü", org: "acme", exp: 1, iat: 1, jti: "a" }));
  expect(await scope(jwt({ iss: "i", sub: "ü", org: "acme", exp: 2, iat: 2, jti: "b", origin_jti: "c" }))).toBe(mine);
  const others = [jwt({ iss: "i", sub: "v", org: "acme" }), jwt({ iss: "i", sub: "ü", org: "other" }), "key_1", "key_2", "a.b.c"];
  const scopes = await Promise.all([...others.map(scope), mine]);
  expect(new Set(scopes).size).toBe(scopes.length);
});

test("at most four streams are open at once, and the next one waits for its turn", async () => {
  const lines = goldenLines("answer");
  const { server, tell, open } = await liveServer(lines);
  const pages = Array.from({ length: 6 }, () => page(server, `run:${(names += 1)}`));
  await vi.waitFor(() => expect(open.size).toBe(4));
  expect(server.requests).toHaveLength(4);
  tell(lines.length);
  await Promise.all(pages.map(({ done }) => done));
  for (const { run } of pages) expect(run.state).toEqual(goldenState("answer"));
});

test("hidden pages make room for a visible one, and go on when there is room again", async () => {
  const screen = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal("document", screen);
  const lines = goldenLines("answer");
  const { server, tell, open } = await liveServer(lines);
  const pages = Array.from({ length: 4 }, () => page(server, `run:${(names += 1)}`));
  await vi.waitFor(() => expect(open.size).toBe(4));
  tell(2);
  await vi.waitFor(() => expect(pages.every(({ types }) => types.length === 2)).toBe(true));
  screen.hidden = true;
  const visible = new BroadcastChannel("millrace:slots");
  visible.postMessage("room");
  await vi.waitFor(() => expect(server.requests).toHaveLength(8));
  visible.close();
  tell(lines.length);
  await Promise.all(pages.map(({ done }) => done));
  for (const { run } of pages) expect(run.state).toEqual(goldenState("answer"));
});

test("a reading page that is silent, as a frozen one is, loses its place", async () => {
  const { server, tell, open } = await liveServer(goldenLines("answer"));
  const name = `run:${(names += 1)}`;
  const frozen = navigator.locks.request(`millrace:${name}`, () => new Promise(() => undefined));
  frozen.catch(() => undefined);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const waiting = page(server, name);
  await vi.advanceTimersByTimeAsync(19_999);
  expect(server.requests).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(1);
  vi.useRealTimers();
  await expect(frozen).rejects.toMatchObject({ name: "AbortError" });
  await vi.waitFor(() => expect(open.size).toBe(1));
  tell(10);
  await waiting.done;
  expect(waiting.run.state).toEqual(goldenState("answer"));
});

test("a reading page whose place was taken follows the new one", async () => {
  const lines = goldenLines("answer");
  const { server, tell, open } = await liveServer(lines);
  const name = `run:${(names += 1)}`;
  const first = page(server, name);
  await vi.waitFor(() => expect(open.size).toBe(1));
  tell(2);
  await vi.waitFor(() => expect(first.types).toHaveLength(2));
  let free!: () => void;
  const thief = navigator.locks.request(`millrace:${name}`, { steal: true }, () => new Promise<void>((resolve) => (free = resolve)));
  await vi.waitFor(() => expect(server.sockets.size).toBe(0));
  free();
  await thief;
  tell(lines.length);
  await first.done;
  expect(first.run.state).toEqual(goldenState("answer"));
  expect(first.types).toEqual(lines.map(({ event }) => event.type));
});

test("what the server refuses is thrown in every page", async () => {
  const server = await serve((_, response) => void response.writeHead(403).end());
  const name = `run:${(names += 1)}`;
  const pages = [page(server, name), page(server, name)];
  for (const { done } of pages) await expect(done).rejects.toMatchObject({ status: 403 });
});

test("a page that leaves, reads no more, and holds nothing", async () => {
  const { server, tell, open } = await liveServer(goldenLines("answer"));
  const name = `run:${(names += 1)}`;
  const one = page(server, name);
  await vi.waitFor(() => expect(open.size).toBe(1));
  tell(2);
  await vi.waitFor(() => expect(one.types).toHaveLength(2));
  one.shared.abort();
  await one.done;
  await vi.waitFor(() => expect(server.sockets.size).toBe(0));
  await vi.waitFor(async () => expect((await navigator.locks.query()).held).toEqual([]));
});

test("the caller's signal ends the stream with its reason", async () => {
  const { server } = await liveServer([]);
  const controller = new AbortController();
  const { shared } = page(server, `run:${(names += 1)}`);
  shared.abort();
  const own = new SharedStream({
    name: `run:${(names += 1)}`,
    signal: controller.signal,
    open: () => new EventStream({ open: () => fetch(server.url), parse: parseRunEvent }),
  });
  const next = own.next();
  controller.abort(new Error("enough"));
  await expect(next).rejects.toThrow("enough");
});

test("without locks each page reads for itself", async () => {
  const lines = goldenLines("answer");
  const { server, tell, open } = await liveServer(lines);
  vi.stubGlobal("navigator", {});
  const pages = [page(server, "alone"), page(server, "alone")];
  vi.unstubAllGlobals();
  await vi.waitFor(() => expect(open.size).toBe(2));
  tell(lines.length);
  await Promise.all(pages.map(({ done }) => done));
  for (const { run } of pages) expect(run.state).toEqual(goldenState("answer"));
});

test("a page's own stream is read at once, and goes on shared when a visible page needs its connection", async () => {
  const screen = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal("document", screen);
  const lines = goldenLines("tools_between_text");
  const { server, tell, open } = await liveServer(lines);
  const run = new RunReducer();
  const shared = { name: `run:${(names += 1)}`, open: (last: string | null) => runStream(server, last) };
  const read = (async () => {
    for await (const { event, id } of ownStream(runStream(server, null), shared)) run.add(event, id);
  })();
  await vi.waitFor(() => expect(open.size).toBe(1));
  tell(5);
  await vi.waitFor(() => expect(run.state.parts).toHaveLength(2));
  screen.hidden = true;
  const visible = new BroadcastChannel("millrace:slots");
  visible.postMessage("room");
  await vi.waitFor(() => expect(server.requests.at(-1)?.headers["last-event-id"]).toBe("run_1.5"));
  visible.close();
  tell(lines.length);
  await read;
  expect(run.state).toEqual(goldenState("tools_between_text"));
  await vi.waitFor(() => expect(server.sockets.size).toBe(0));
});
