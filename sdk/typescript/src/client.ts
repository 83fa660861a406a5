import * as groups from "./api/groups.js";
import { type Answer, type ArgumentsOf, type Calls, type ResultOf, type Route, call, calls } from "./api/operations.js";
import { AGENTS, APPROVALS, MEMORIES, STREAMING, TICKETS } from "./api/routes.js";
import { type ClientOptions, Transport } from "./api/transport.js";

/**
 * The client of Millrace's HTTP API.
 *
 *     const client = new Millrace({ baseUrl: "http://localhost:8080", token });
 *     const stream = await client.conversations.sendMessageStream({ conversationId: "c-1", content: "Hello!" });
 *     for await (const event of stream) if (event.type === "token") process.stdout.write(event.token);
 */
export class Millrace {
  readonly #http: Transport;
  readonly a2a: groups.A2a;
  readonly agents: Calls<typeof AGENTS>;
  readonly approvals: Calls<typeof APPROVALS>;
  readonly commandCenter: groups.CommandCenter;
  readonly conversations: groups.Conversations;
  readonly files: groups.Files;
  readonly flows: groups.Flows;
  readonly memories: Calls<typeof MEMORIES>;
  readonly runs: groups.Runs;
  /** Pipelines. */
  readonly streaming: Calls<typeof STREAMING>;
  /** Tickets for `EventSource` and `<audio>`, which cannot send a token. */
  readonly tickets: Calls<typeof TICKETS>;
  readonly voice: groups.Voice;

  /** Throws MillraceError if there is neither a `baseUrl` nor a page with an origin. */
  constructor(options: ClientOptions = {}) {
    const http = new Transport(options);
    this.#http = http;
    this.a2a = groups.a2a(http);
    this.agents = calls(http, AGENTS);
    this.approvals = calls(http, APPROVALS);
    this.commandCenter = groups.commandCenter(http);
    this.conversations = groups.conversations(http);
    this.files = groups.files(http);
    this.flows = groups.flows(http);
    this.memories = calls(http, MEMORIES);
    this.runs = groups.runs(http);
    this.streaming = calls(http, STREAMING);
    this.tickets = calls(http, TICKETS);
    this.voice = groups.voice(http);
  }

  /** The token of requests; null if there is none. */
  token(): Promise<string | null> {
    return this.#http.token();
  }

  /** Calls any route of the API: ids of the path first, then the body, then options. */
  call<R extends Route>(route: R, ...args: ArgumentsOf<R>): Answer<ResultOf<R>> {
    return call(this.#http, route, args) as Answer<ResultOf<R>>;
  }
}
