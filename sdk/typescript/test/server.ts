import { readFileSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach } from "vitest";

export interface Line {
  readonly id: string | null;
  readonly event: { readonly type: string };
}

export function goldenLines(name: string): Line[] {
  const text = readFileSync(new URL(`../../golden/${name}.jsonl`, import.meta.url), "utf8");
  return text.trim().split("\n").map((line) => JSON.parse(line) as Line);
}

export function goldenState(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../golden/${name}.json`, import.meta.url), "utf8"));
}

type Handler = (request: Received, response: ServerResponse) => void;

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A real HTTP server that answers by the test's `handle`, remembers what was asked, and knows its open sockets. */
export class TestServer {
  readonly requests: Received[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  handle: Handler = (_, response) => void response.writeHead(404).end();

  constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
    this.#server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  of(method: string): Received[] {
    return this.requests.filter((request) => request.method === method);
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "", url = "", headers } = request;
    const received = { method, url, headers, body: Buffer.concat(chunks).toString() };
    this.requests.push(received);
    this.handle(received, response);
  }
}

const running: TestServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

export async function serve(handle?: Handler): Promise<TestServer> {
  const server = await new TestServer().start();
  if (handle) server.handle = handle;
  running.push(server);
  return server;
}

export function beginStream(response: ServerResponse, runId = "run_1"): ServerResponse {
  return response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8", "X-Run-Id": runId });
}

export function frame({ id, event }: Line): string {
  return `${id === null ? "" : `id: ${id}\n`}data: ${JSON.stringify(event)}\n\n`;
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** The lines that a server sends to a client which has seen up to `lastEventId`. */
export function after(lines: readonly Line[], lastEventId: string | undefined): readonly Line[] {
  return lines.slice(lines.findIndex(({ id }) => id === lastEventId) + 1);
}

/** Ends every wait at once. */
export const AWAKE = {
  addEventListener: (_: string, wake: () => void) => wake(),
  removeEventListener: () => undefined,
} as unknown as EventTarget;
