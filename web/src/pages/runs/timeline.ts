import type { PartialRunEvent, Schemas } from "@millrace/client";

/** An event of a run with its time (milliseconds since 1970). */
export interface Timed {
  readonly id: string;
  readonly at: number;
  readonly event: PartialRunEvent;
}

/** `model`: until its first token. `lost`: from the last event of a process that died until another one continued. */
export type PhaseKind = "starting" | "model" | "thinking" | "answer" | "tools" | "waiting" | "lost" | "finishing";

export interface Span<Kind extends string = string> {
  readonly kind: Kind;
  readonly label: string;
  readonly start: number;
  readonly end: number;
}

export type Phase = Span<PhaseKind>;

/** Work in parallel to the phases: a model call, a tool, a sub-agent, a step of a flow. */
export interface Work extends Span<"call" | "tool" | "agent" | "step"> {
  readonly id: string;
  /** 1 for the work of a sub-agent. */
  readonly depth: number;
  readonly state: "running" | "ok" | "failed" | "unknown";
  readonly note: string | null;
  /** Of a model call. */
  readonly firstToken: number | null;
}

/** Something that happened at one moment. */
export interface Mark {
  readonly kind: "message" | "asked" | "answered" | "takeover";
  readonly label: string;
  readonly at: number;
}

export interface Timeline {
  readonly start: number;
  readonly end: number;
  /** The phases, without gaps, from `start` to `end`. */
  readonly phases: readonly Phase[];
  readonly work: readonly Work[];
  readonly marks: readonly Mark[];
}

const PHASE_LABELS: Record<PhaseKind, string> = {
  starting: "Starting",
  model: "Waiting for the model",
  thinking: "Thinking",
  answer: "Answering",
  tools: "Tools",
  waiting: "Waiting for people",
  lost: "Taken over",
  finishing: "Storing",
};

export function phaseLabel(kind: PhaseKind): string {
  return PHASE_LABELS[kind];
}

type ModelCall = Schemas["RunModelCallEvent"];

/** Returns where the time of a run went. `now` is the end of an active run. */
export function timelineOf(
  run: Pick<Schemas["Run"], "startedAt" | "endedAt">,
  events: readonly Timed[],
  calls: readonly ModelCall[],
  now: number,
): Timeline {
  const begun = Date.parse(run.startedAt);
  const start = Math.min(begun, events[0]?.at ?? begun);
  const last = events.at(-1)?.at ?? start;
  const end = Math.max(run.endedAt ? Date.parse(run.endedAt) : now, last);
  const clock = new Clock(start);
  for (const timed of events) clock.take(timed);
  const modelCalls = calls.map((call, index) => modelCallOf(call, index));
  const work = [...modelCalls, ...clock.work(end)].sort((one, other) => one.start - other.start);
  return { start, end, phases: clock.phases(end), work, marks: clock.marks };
}

/** Derives the phases from the run's own events. What sub-agents do is parallel work. */
class Clock {
  readonly marks: Mark[] = [];
  readonly #phases: Phase[] = [];
  readonly #work = new Map<string, Work>();
  readonly #open = new Set<string>();
  #kind: PhaseKind = "starting";
  #since: number;
  #last: number;

  constructor(start: number) {
    this.#since = start;
    this.#last = start;
  }

  take({ at, event }: Timed): void {
    this.#takeWork(at, event);
    if (!("parent" in event && event.parent)) this.#takePhase(at, event);
    this.#last = at;
  }

  phases(end: number): Phase[] {
    this.#close(end);
    this.#since = end;
    return this.#phases;
  }

  work(end: number): Work[] {
    return [...this.#work.values()].map((one) => (one.state === "running" ? { ...one, end } : one));
  }

  #takePhase(at: number, event: PartialRunEvent): void {
    switch (event.type) {
      case "start":
        return this.#enter("model", at);
      case "thinking":
        return this.#enter("thinking", at);
      case "token":
        return this.#enter("answer", at);
      case "tool_call":
        this.#open.add(event.id);
        return this.#enter("tools", at);
      case "tool_result":
        this.#open.delete(event.id);
        return this.#enter(this.#open.size > 0 ? "tools" : "model", at);
      case "approval_requested":
        return this.#mark("asked", event.name ?? "A question", at);
      case "approval_answered":
        this.#mark("answered", event.decision, at);
        return this.#enter(this.#open.size > 0 ? "tools" : "model", at);
      case "waiting":
        return this.#enter("waiting", at);
      case "injected":
        return this.#mark("message", event.content, at);
      case "rewind":
        return this.#takeOver(at);
      case "done":
      case "error":
        return this.#enter("finishing", at);
      default:
        return undefined;
    }
  }

  /** Nothing ran between the last event of the old process and the first one of the new. */
  #takeOver(at: number): void {
    this.#open.clear();
    this.#mark("takeover", "Continued by another process", at);
    this.#enter("lost", this.#last);
    this.#enter("model", at);
  }

  #enter(kind: PhaseKind, at: number): void {
    if (kind === this.#kind) return;
    this.#close(at);
    this.#kind = kind;
    this.#since = Math.max(at, this.#since);
  }

  #close(at: number): void {
    if (at <= this.#since) return;
    this.#phases.push({ kind: this.#kind, label: phaseLabel(this.#kind), start: this.#since, end: at });
  }

  #mark(kind: Mark["kind"], label: string, at: number): void {
    this.marks.push({ kind, label, at });
  }

  #takeWork(at: number, event: PartialRunEvent): void {
    const parent = "parent" in event && event.parent ? event.parent : null;
    const asking = parent && this.#work.get(parent);
    if (asking && asking.kind === "tool") this.#work.set(parent, { ...asking, kind: "agent" });
    if (event.type === "tool_call") {
      this.#begin({ id: event.id, kind: "tool", label: event.name, depth: parent ? 1 : 0 }, at);
    } else if (event.type === "tool_result") {
      this.#end(event.id, at, event.ok ? "ok" : "failed", event.summary ?? null);
    } else if (event.type === "flow_step_start") {
      this.#begin({ id: `step:${event.name}`, kind: "step", label: event.name, depth: 0 }, at);
    } else if (event.type === "flow_step_complete") {
      this.#end(`step:${event.name}`, at, event.ok ? "ok" : "failed", null);
    }
  }

  #begin(about: Pick<Work, "id" | "kind" | "label" | "depth">, at: number): void {
    this.#work.set(about.id, { ...about, start: at, end: at, state: "running", note: null, firstToken: null });
  }

  #end(id: string, at: number, state: Work["state"], note: string | null): void {
    const begun = this.#work.get(id);
    if (begun) this.#work.set(id, { ...begun, end: at, state, note });
  }
}

/** The event of a model call is sent at its end. */
function modelCallOf(call: ModelCall, index: number): Work {
  const end = Date.parse(call.time);
  const start = end - call.latencyMs;
  return {
    id: `call:${index}`,
    kind: "call",
    label: call.model,
    start,
    end,
    depth: 0,
    state: call.error ? "failed" : "ok",
    note: call.error,
    firstToken: call.firstTokenMs === null ? null : start + call.firstTokenMs,
  };
}

/** The total time of each kind of phase, longest first. */
export function sharesOf(phases: readonly Phase[]): { kind: PhaseKind; ms: number }[] {
  const sums = new Map<PhaseKind, number>();
  for (const { kind, start, end } of phases) sums.set(kind, (sums.get(kind) ?? 0) + end - start);
  return [...sums].map(([kind, ms]) => ({ kind, ms })).sort((one, other) => other.ms - one.ms);
}

export interface CostShare {
  readonly model: string;
  readonly calls: number;
  readonly input: number;
  readonly output: number;
  /** US dollars; null if the price of a call is unknown. */
  readonly cost: number | null;
}

/** Tokens and cost of each model. */
export function costsOf(calls: readonly ModelCall[]): CostShare[] {
  const shares = new Map<string, CostShare>();
  for (const { model, tokens, cost } of calls) {
    const known = shares.get(model) ?? { model, calls: 0, input: 0, output: 0, cost: 0 };
    shares.set(model, {
      model,
      calls: known.calls + 1,
      input: known.input + tokens.input,
      output: known.output + tokens.output,
      cost: known.cost === null || cost === null ? null : known.cost + cost,
    });
  }
  return [...shares.values()];
}
