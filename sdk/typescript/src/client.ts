import * as groups from "./api/groups.js";
import { type Answer, type ArgumentsOf, type Calls, type ResultOf, type Route, call, calls } from "./api/operations.js";
import { AGENTS, ALERTS, APPROVALS, AUDIT, ERASURES, KEYS, LIMITS, MEMORIES, RETENTION, REVOCATIONS, STREAMING, TICKETS } from "./api/routes.js";
import { type ClientOptions, Transport } from "./api/transport.js";

/**
 * Millrace's HTTP API.
 *
 *     const client = new Millrace({ baseUrl: "http://localhost:8080", token });
 *     const stream = await client.conversations.sendMessageStream({ conversationId: "c-1", content: "Hello!" });
 *     for await (const event of stream) if (event.type === "token") process.stdout.write(event.token);
 */
export class Millrace {
  readonly #http: Transport;
  readonly a2a: groups.A2a;
  readonly agents: Calls<typeof AGENTS>;
  readonly alerts: Calls<typeof ALERTS>;
  readonly approvals: Calls<typeof APPROVALS>;
  readonly audit: Calls<typeof AUDIT>;
  readonly commandCenter: groups.CommandCenter;
  readonly conversations: groups.Conversations;
  readonly erasures: Calls<typeof ERASURES>;
  readonly files: groups.Files;
  readonly flows: groups.Flows;
  readonly keys: Calls<typeof KEYS>;
  /** Limits, what of them is used, and stops. */
  readonly limits: Calls<typeof LIMITS>;
  readonly memories: Calls<typeof MEMORIES>;
  readonly retention: Calls<typeof RETENTION>;
  readonly revocations: Calls<typeof REVOCATIONS>;
  readonly runs: groups.Runs;
  /** Pipelines. */
  readonly streaming: Calls<typeof STREAMING>;
  /** Tickets for `EventSource` and `<audio>`, which send no token. */
  readonly tickets: Calls<typeof TICKETS>;
  readonly voice: groups.Voice;

  /** Throws MillraceError without a `baseUrl` where no page has one. */
  constructor(options: ClientOptions = {}) {
    const http = new Transport(options);
    this.#http = http;
    this.a2a = groups.a2a(http);
    this.agents = calls(http, AGENTS);
    this.alerts = calls(http, ALERTS);
    this.approvals = calls(http, APPROVALS);
    this.audit = calls(http, AUDIT);
    this.commandCenter = groups.commandCenter(http);
    this.conversations = groups.conversations(http);
    this.erasures = calls(http, ERASURES);
    this.files = groups.files(http);
    this.flows = groups.flows(http);
    this.keys = calls(http, KEYS);
    this.limits = calls(http, LIMITS);
    this.memories = calls(http, MEMORIES);
    this.retention = calls(http, RETENTION);
    this.revocations = calls(http, REVOCATIONS);
    this.runs = groups.runs(http);
    this.streaming = calls(http, STREAMING);
    this.tickets = calls(http, TICKETS);
    this.voice = groups.voice(http);
  }

  /** The token that requests are sent with; null without one. */
  token(): Promise<string | null> {
    return this.#http.token();
  }

  /** Calls any route of the API: ids of the path first, then the body, then options. */
  call<R extends Route>(route: R, ...args: ArgumentsOf<R>): Answer<ResultOf<R>> {
    return call(this.#http, route, args) as Answer<ResultOf<R>>;
  }
}
