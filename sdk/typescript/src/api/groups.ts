import { ApiError, apiErrorFrom } from "../errors.js";
import type { RunEvent } from "../events.js";
import type { Schemas } from "../schemas.js";
import type { EventStream, StreamOptions } from "../stream/event-stream.js";
import { calls } from "./operations.js";
import { COMMAND_CENTER, CONVERSATIONS, FILES, FLOWS, RUNS, VOICE } from "./routes.js";
import {
  type CommandCenterFilter,
  type ResumableOptions,
  type RunStreamOptions,
  commandCenterStream,
  conversationStream,
  post,
  runStream,
  speechStream,
  taskStream,
} from "./streams.js";
import { type CallOptions, type Transport, idPath, newId } from "./transport.js";

/** A message to an agent. The conversation is created if it does not exist; without an id, it gets one. */
export type NewMessage = Schemas["SendMessage"] & { readonly conversationId?: string };
/** A message whose run is streamed. `ifBusy: "inject"` is not possible, since a live message has no run of its own. */
export type NewStreamedMessage = NewMessage & { readonly ifBusy?: "reject" | "interrupt" };
/** A message to an agent that is answering. */
export type NewLiveMessage = Schemas["InjectMessage"] & { readonly conversationId: string; readonly threadId?: string };

export type Conversations = ReturnType<typeof conversations>;

export function conversations(http: Transport) {
  const path = (id: string, what: string) => `/api/conversations/${idPath(id)}/${what}`;
  return {
    ...calls(http, CONVERSATIONS),

    /** Sends a message and waits for the whole answer. */
    sendMessage({ conversationId = newId(), ...message }: NewMessage, options: CallOptions = {}) {
      type Result = Schemas["AgentAnswer"] | Schemas["PendingAnswer"];
      return http.json<Result>("POST", path(conversationId, "messages"), message, { ...options });
    },

    /** Sends a message and streams its run. Resolves with the first event; throws if the server refuses the message. */
    sendMessageStream({ conversationId = newId(), ...message }: NewStreamedMessage, options: RunStreamOptions = {}) {
      return runStream(http, post(http, path(conversationId, "messages"), message, options), options).start();
    },

    /** Answers a question again, in a branch next to the first answer, and streams the run. */
    regenerateStream(conversationId: string, question: Schemas["Regenerate"] = {}, options: RunStreamOptions = {}) {
      return runStream(http, post(http, path(conversationId, "regenerate"), question, options), options).start();
    },

    /** Sends a live message, which the working agent reads at its next step. */
    inject({ conversationId, threadId, ...message }: NewLiveMessage, options: CallOptions = {}) {
      return http.json<Schemas["LiveMessage"]>("POST", path(conversationId, "inject"), message, { ...options, threadId });
    },

    /** Streams the events of all runs of a conversation, one after the other, until you leave. */
    stream(conversationId: string, options: Omit<RunStreamOptions, "keepWaiting"> & { readonly threadId?: string } = {}) {
      return conversationStream(http, conversationId, options);
    },
  };
}

export type Runs = ReturnType<typeof runs>;

export function runs(http: Transport) {
  return {
    ...calls(http, RUNS),

    /** Streams the events of a run, from its beginning or after an event, to its end. */
    stream(runId: string, options: RunStreamOptions = {}): EventStream<RunEvent> {
      return runStream(http, runId, options);
    },
  };
}

export type Flows = ReturnType<typeof flows>;

export function flows(http: Transport) {
  return {
    ...calls(http, FLOWS),

    /** Runs a flow and streams the events of its steps. Resolves with the first event. */
    runStream(name: string, event: Schemas["FlowEvent"], options: RunStreamOptions = {}): Promise<EventStream<RunEvent>> {
      const path = `/api/flows/${idPath(name)}/events`;
      return runStream(http, post(http, path, event, options), options).start();
    },
  };
}

export type CommandCenter = ReturnType<typeof commandCenter>;

export function commandCenter(http: Transport) {
  return {
    ...calls(http, COMMAND_CENTER),

    /** Streams the events of the organization's runs, until you leave. */
    stream(options: CommandCenterFilter & StreamOptions = {}) {
      return commandCenterStream(http, options);
    },
  };
}

export type A2a = ReturnType<typeof a2a>;

export function a2a(http: Transport) {
  return {
    /** Streams the updates of a task, from its beginning or after an update, to its end. */
    streamTask(taskId: string, options: ResumableOptions = {}) {
      return taskStream(http, taskId, options);
    },
  };
}

export type Files = ReturnType<typeof files>;

export function files(http: Transport) {
  const table = calls(http, FILES);
  return {
    ...table,

    /** Uploads a file for a message, whose content refers to it with the part `{ type: "file", fileId }`. */
    async upload(file: Blob & { readonly name?: string }, named: { name?: string; mediaType?: string } = {}, options: CallOptions = {}) {
      const { name = file.name ?? "file", mediaType = file.type } = named;
      const { upload, ...created } = await table.create({ name, mediaType, size: file.size }, options);
      const form = new FormData();
      for (const [field, value] of Object.entries(upload.fields)) form.append(field, value);
      form.append("file", file);
      const response = await http.fetch(upload.url, { method: "POST", body: form, signal: options.signal ?? null });
      if (!response.ok) throw new ApiError(response.status, "upload_failed", `The file was not stored: the storage answered with status ${response.status}. Upload it again.`);
      return created;
    },
  };
}

export type Voice = ReturnType<typeof voice>;

export function voice(http: Transport) {
  const audio = async (path: string, body: object, { signal }: CallOptions): Promise<Response> => {
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const response = await http.send(path, { ...init, signal: signal ?? null });
    if (!response.ok) throw await apiErrorFrom(response);
    return response;
  };
  return {
    ...calls(http, VOICE),

    /** Speaks a text. The response's `body` streams the audio as it is created. */
    speak(speech: Schemas["Speak"], options: CallOptions = {}) {
      return audio("/api/voice/tts/stream", speech, options);
    },

    /** Speaks the answer of a run, while it is written or afterwards. */
    speakRun(runId: string, speech: Schemas["SpeechOptions"] = {}, options: CallOptions = {}) {
      return audio(`/api/voice/conversations/${idPath(runId)}/stream`, speech, options);
    },

    /** Speaks a text as pieces of audio in base64, with the times of its words. */
    speakWithTimings(speech: Schemas["Speak"], options: StreamOptions = {}) {
      return speechStream(post(http, "/api/voice/tts/stream?timings=true", speech, {}), options);
    },
  };
}
