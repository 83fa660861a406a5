import { type PartialRunEvent, isTerminal, numberOf, runIdOf } from "../events.js";
import { extendParts, settleParts } from "./parts.js";
import { BEGINNING, END, NEW_RUN, type RunState, told } from "./state.js";

type Event<Type extends PartialRunEvent["type"]> = Extract<PartialRunEvent, { type: Type }>;

/** Returns the run after one more event, or the same object if nothing changes. `rewind` requires a `RunReducer`. */
export function reduceRun(state: RunState, event: PartialRunEvent): RunState {
  switch (event.type) {
    case "start":
      return begin(state, event);
    case "status":
      return going(state, { activity: event.message });
    case "waiting":
      return { ...state, status: "waiting", activity: null };
    case "done":
    case "error":
      return isTerminal(event) ? end(state, event) : state;
    default:
      return addPart(state, event);
  }
}

/** A repeated start changes nothing; the start of another run starts a new state. */
function begin(state: RunState, event: Event<"start">): RunState {
  if ("parent" in event || state.runId === event.runId) return state;
  return { ...(state.runId ? NEW_RUN : state), status: "streaming", ...told(event, BEGINNING) };
}

function going(state: RunState, change: Partial<RunState>): RunState {
  return { ...state, status: "streaming", ...change };
}

function addPart(state: RunState, event: PartialRunEvent): RunState {
  const parts = extendParts(state.parts, event);
  if (parts === state.parts) return state;
  const isSpeech = event.type === "token" || event.type === "approval_requested";
  return going(state, isSpeech ? { parts, activity: null } : { parts });
}

const FAILURE = { message: "", code: null as string | null, retryable: null as boolean | null };

/** Returns the run after its end, however it ended. */
function end(state: RunState, event: Event<"done"> | Event<"error">): RunState {
  const ended = { ...state, activity: null, parts: settleParts(state.parts) };
  if (event.type === "error") return { ...ended, status: "error", error: told(event, FAILURE) };
  return { ...ended, status: "done", messageId: event.messageId ?? state.messageId, ...told(event, END) };
}

/**
 * The state of a run, event by event, including the earlier states that a `rewind` returns to. Events that were
 * received before change nothing, so the result is the same however often a stream was cut and repeated.
 */
export class RunReducer {
  #state: RunState = NEW_RUN;
  #log: { readonly number: number; readonly event: PartialRunEvent }[] = [];
  #lastId: string | null = null;

  get state(): RunState {
    return this.#state;
  }

  /** Applies an event. `id` is its id in the stream, null if it has none. */
  add(event: PartialRunEvent, id: string | null): RunState {
    if (id !== null) {
      if (this.#isOld(id)) return this.#state;
      this.#lastId = id;
    }
    if (event.type === "rewind") return this.#rewind(event.after);
    if (event.type === "start" && this.#state.runId && event.runId !== this.#state.runId) this.#log = [];
    this.#log.push({ event, number: id === null ? (this.#log.at(-1)?.number ?? 0) : numberOf(id) });
    return (this.#state = reduceRun(this.#state, event));
  }

  #isOld(id: string): boolean {
    const last = this.#lastId;
    return last !== null && runIdOf(id) === runIdOf(last) && numberOf(id) <= numberOf(last);
  }

  #rewind(after: string): RunState {
    this.#log = this.#log.filter(({ number }) => number <= numberOf(after));
    return (this.#state = this.#log.reduce((state, { event }) => reduceRun(state, event), NEW_RUN));
  }
}
