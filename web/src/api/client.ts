import { ApiError, type Position, apiErrorFrom } from "@millrace/client";
import type { Auth } from "./auth";
import type {
  Accepted,
  Agent,
  Approval,
  ApprovalAnswer,
  ContentPart,
  Conversation,
  Message,
  Page,
  SpeechOptions,
  UploadForm,
  Voices,
  Waiting,
} from "./types";

const EVENT_STREAM = "text/event-stream";
const PAGE_SIZE = 30;
/** Pages of messages that one conversation may have: a limit against a server whose pages never end. */
const MOST_PAGES = 50;

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;

export interface NewMessage {
  readonly content: string | readonly ContentPart[];
  readonly agentId?: string;
  /** The same key never starts a second run, so that an unanswered request can be repeated. */
  readonly idempotencyKey: string;
  /** The message that this one follows, null for none; without it the end of the active branch. */
  readonly parentId?: string | null;
}

export interface Regenerate {
  /** A message of the answer; without one the latest. */
  readonly messageId?: string;
  readonly idempotencyKey: string;
}

/** Millrace's HTTP API. Every method throws ApiError for a refusal and TypeError when there is no network. */
export class Api {
  constructor(
    private readonly auth: Auth,
    private readonly apiBase: Readonly<Record<string, string>>,
  ) {}

  listAgents(cursor: string | null = null): Promise<Page<Agent>> {
    return this.get("/api/agents", { limit: 100, cursor });
  }

  /** A page of conversations, the latest first; with a query those whose titles have all of its words. */
  listConversations(cursor: string | null = null, q = ""): Promise<Page<Conversation>> {
    return this.get("/api/conversations", { limit: PAGE_SIZE, cursor, q });
  }

  getConversation(id: string): Promise<Conversation> {
    return this.#json(conversationPath(id));
  }

  renameConversation(id: string, title: string): Promise<Conversation> {
    return this.send("PATCH", conversationPath(id), { title });
  }

  /** Hides a conversation, and deletes it in ten minutes unless it is restored. */
  async deleteConversation(id: string): Promise<void> {
    await this.#checked(`${conversationPath(id)}?restorable=true`, { method: "DELETE" });
  }

  restoreConversation(id: string): Promise<Conversation> {
    return this.send("POST", `${conversationPath(id)}/restore`);
  }

  /** Makes the branch with a message, and the latest that follow it, the active one. */
  async selectBranch(id: string, messageId: string): Promise<void> {
    await this.send("PUT", `${conversationPath(id)}/branch`, { messageId });
  }

  /** The event stream of another answer to a question. The response is not checked. */
  regenerate(id: string, again: Regenerate, signal: AbortSignal): Promise<Response> {
    return this.#fetch(`${conversationPath(id)}/regenerate`, {
      ...jsonBody(again),
      headers: { "Content-Type": "application/json", Accept: EVENT_STREAM },
      signal,
    });
  }

  /** All messages of the active branch, oldest first. */
  async listMessages(id: string): Promise<Message[]> {
    const messages: Message[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const query: string = cursor ? `?${new URLSearchParams({ cursor })}` : "";
      const page: Page<Message> = await this.#json(`${conversationPath(id)}/messages${query}`);
      messages.push(...page.items);
      cursor = page.nextCursor;
      if (!cursor) break;
    }
    return messages;
  }

  /** The event stream of a new run. The response is not checked: the stream client does. */
  sendMessage(id: string, message: NewMessage, signal: AbortSignal): Promise<Response> {
    return this.#fetch(`${conversationPath(id)}/messages`, {
      ...jsonBody(message),
      headers: { "Content-Type": "application/json", Accept: EVENT_STREAM },
      signal,
    });
  }

  /** The event stream of a run that was started before, from `position` on. The response is not checked. */
  attach(id: string, { runId, lastEventId }: Position, signal: AbortSignal): Promise<Response> {
    const path = runId ? `/api/runs/${encodeURIComponent(runId)}/stream` : `${conversationPath(id)}/stream`;
    const headers = { Accept: EVENT_STREAM, ...(lastEventId && { "Last-Event-ID": lastEventId }) };
    return this.#fetch(path, { headers, signal });
  }

  async stop(id: string): Promise<void> {
    await this.#checked(`${conversationPath(id)}/stop`, { method: "POST" });
  }

  inject(id: string, content: NewMessage["content"]): Promise<Accepted> {
    return this.#json(`${conversationPath(id)}/inject`, jsonBody({ content }));
  }

  /** Live messages that the agent has not read yet, in their order. */
  async listWaiting(id: string): Promise<readonly Waiting[]> {
    const page: Page<Waiting> = await this.#json(`${conversationPath(id)}/inject`);
    return page.items;
  }

  async withdraw(id: string, messageId: string): Promise<void> {
    await this.#checked(`${conversationPath(id)}/inject/${encodeURIComponent(messageId)}`, { method: "DELETE" });
  }

  /** A message to an agent that waits for an answer: what waits counts as rejected, and this is the reply. */
  reply(id: string, content: NewMessage["content"]): Promise<Accepted> {
    return this.#json(`${conversationPath(id)}/messages`, jsonBody({ content, ifBusy: "inject" }));
  }

  /** The calls of a conversation that wait for a person. */
  async listApprovals(id: string): Promise<readonly Approval[]> {
    const page: Page<Approval> = await this.#json(`/api/approvals?${new URLSearchParams({ conversationId: id })}`);
    return page.items;
  }

  async answerCall(runId: string, answer: ApprovalAnswer): Promise<void> {
    await this.#checked(`/api/runs/${encodeURIComponent(runId)}/answers`, jsonBody(answer));
  }

  announceFile(file: { name: string; mediaType: string; size: number }): Promise<{ fileId: string; upload: UploadForm }> {
    return this.#json("/api/files", jsonBody(file));
  }

  /** Sends a file to the storage itself, by the form that the server has signed. `fetch` tells no progress. */
  uploadFile(form: UploadForm, file: File, onProgress: (part: number) => void, signal: AbortSignal): Promise<void> {
    const body = new FormData();
    for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
    body.append("file", file);
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const fail = () => reject(new Error("The upload failed; remove the file and try again."));
      request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : 0);
      request.onload = () => (request.status < 300 ? resolve() : fail());
      request.onerror = fail;
      request.onabort = fail;
      signal.addEventListener("abort", () => request.abort());
      request.open("POST", form.url);
      request.send(body);
    });
  }

  readFile(fileId: string): Promise<{ downloadUrl: string }> {
    return this.#json(`/api/files/${encodeURIComponent(fileId)}`);
  }

  async deleteFile(fileId: string): Promise<void> {
    await this.#checked(`/api/files/${encodeURIComponent(fileId)}`, { method: "DELETE" });
  }

  listVoices(): Promise<Voices> {
    return this.#json("/api/voice/voices");
  }

  /** A text as sound, sample by sample. The response is not checked. */
  speakText(text: string, options: SpeechOptions, signal: AbortSignal): Promise<Response> {
    return this.#fetch("/api/voice/tts/stream", { ...jsonBody({ text, format: "pcm", ...options }), signal });
  }

  /** The answer of a run as sound, while it is written. The response is not checked. */
  speakRun(runId: string, options: SpeechOptions, signal: AbortSignal): Promise<Response> {
    const path = `/api/voice/conversations/${encodeURIComponent(runId)}/stream`;
    return this.#fetch(path, { ...jsonBody({ format: "pcm", ...options }), signal });
  }

  /** The end of a speech that nobody listens to any more; also while the page goes. Never throws. */
  async stopSpeech(streamId: string): Promise<void> {
    const path = `/api/voice/streams/${encodeURIComponent(streamId)}/stop`;
    await this.#fetch(path, { method: "POST", keepalive: true }).catch(() => undefined);
  }

  /** The JSON at an address; parameters that are null or empty are left out. */
  get<Result>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Result> {
    return this.#json(path + queryString(query), signal && { signal });
  }

  /** A command with a JSON body; null for an answer without one. */
  async send<Result>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: object): Promise<Result> {
    const response = await this.#checked(path, body ? { ...jsonBody(body), method } : { method });
    const text = await response.text();
    return (text ? JSON.parse(text) : null) as Result;
  }

  /** An event stream by GET. The response is not checked: the stream client does. */
  stream(path: string, lastEventId: string | null, signal: AbortSignal): Promise<Response> {
    return this.#fetch(path, { headers: { Accept: EVENT_STREAM, ...(lastEventId && { "Last-Event-ID": lastEventId }) }, signal });
  }

  /** A command that is answered by an event stream. The response is not checked: the stream client does. */
  sendForStream(path: string, body: object, idempotencyKey: string, signal: AbortSignal): Promise<Response> {
    const headers = { "Content-Type": "application/json", Accept: EVENT_STREAM, "Idempotency-Key": idempotencyKey };
    return this.#fetch(path, { ...jsonBody(body), headers, signal });
  }

  async #json<Result>(path: string, init: RequestInit = {}): Promise<Result> {
    return (await (await this.#checked(path, init)).json()) as Result;
  }

  async #checked(path: string, init: RequestInit): Promise<Response> {
    const response = await this.#fetch(path, init);
    if (!response.ok) throw await apiErrorFrom(response);
    return response;
  }

  /** One request with a bearer token; a 401 renews the token once. */
  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const token = await this.auth.token();
    const response = await this.#send(path, init, token);
    if (response.status !== 401) return response;
    await response.body?.cancel();
    const again = await this.#send(path, init, await this.auth.renew(token));
    if (again.status === 401) this.auth.end();
    return again;
  }

  #send(path: string, init: RequestInit, token: string): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${token}`);
    return fetch(this.#base(path) + path, { ...init, headers });
  }

  #base(path: string): string {
    const route = Object.keys(this.apiBase)
      .filter((one) => path === one || path.startsWith(`${one}/`) || path.startsWith(`${one}?`))
      .reduce((longest, one) => (one.length > longest.length ? one : longest), "");
    return (this.apiBase[route] ?? "").replace(/\/$/, "");
  }
}

function queryString(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const parameters = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length > 0 ? `?${parameters}` : "";
}

function conversationPath(id: string): string {
  return `/api/conversations/${encodeURIComponent(id)}`;
}

function jsonBody(value: object): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
}

/** A sentence for the user, with what support needs to find the request. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) {
    return error.requestId ? `${error.message} (request ${error.requestId})` : error.message;
  }
  if (error instanceof TypeError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}
