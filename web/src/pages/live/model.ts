import type { Schemas } from "@millrace/client";

/** The fields of a command center event that this page reads. Newer servers may send more types. */
export interface CenterEvent {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly runId?: string;
  readonly agentId?: string;
  readonly agentName?: string;
  readonly conversationId?: string | null;
  readonly status?: string;
  readonly to?: string;
  readonly tool?: string | null;
  readonly tokens?: unknown;
  readonly cost?: number | null;
  readonly run?: { readonly model?: string; readonly startedAt?: string };
  readonly pipelineId?: string;
  readonly alert?: { readonly ruleId: string; readonly name: string; readonly triggeredAt: string | null };
  readonly error?: unknown;
}

export interface LiveRun {
  readonly id: string;
  readonly agentId: string;
  readonly agentName: string;
  readonly model: string;
  readonly status: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly lastEventAt: number;
  readonly endedAt: number | null;
  readonly tokens: number | null;
  readonly tokensPerSecond: number | null;
  readonly cost: number | null;
  readonly tool: string | null;
}

export interface LiveAlert {
  readonly ruleId: string;
  readonly name: string;
  readonly at: number;
}

/** A pulse along the graph: from one node to another, or on one node. */
export interface Pulse {
  readonly from: string;
  readonly to: string | null;
  readonly tone: "good" | "bad";
}

export const agentNode = (id: string): string => `agent:${id}`;
export const toolNode = (name: string): string => `tool:${name}`;

const OVER = ["completed", "failed", "stopped", "deleted"];
/** How long an ended run remains visible. */
const LINGER_MS = 20_000;
const MOST_RUNS = 500;

/** The state of the organization from its events, live or at a replayed time. */
export class LiveModel {
  readonly runs = new Map<string, LiveRun>();
  readonly alerts = new Map<string, LiveAlert>();
  /** The tools that each agent has used. */
  readonly tools = new Map<string, Set<string>>();
  readonly agents = new Map<string, string>();
  events = 0;
  /** Called with the agent of each run that ends well. */
  onEnd: (agentId: string) => void = () => undefined;

  /** Replaces the known runs and alerts by those of a snapshot. */
  load(snapshot: { runs: readonly Schemas["LiveRun"][]; alerts: readonly Schemas["TriggeredAlert"][] }): void {
    this.runs.clear();
    this.alerts.clear();
    for (const run of snapshot.runs) {
      this.#meet(run.agentId, run.agentName);
      this.runs.set(run.runId, fromSnapshot(run));
      if (run.tool) this.#use(run.agentId, run.tool);
    }
    for (const alert of snapshot.alerts) {
      this.alerts.set(alert.ruleId, { ruleId: alert.ruleId, name: alert.name, at: Date.parse(alert.triggeredAt ?? "") });
    }
  }

  /** Applies an event, and returns the pulses that it causes. */
  apply(event: CenterEvent): Pulse | null {
    this.events += 1;
    if (event.type === "alert:triggered" && event.alert) {
      const { ruleId, name, triggeredAt } = event.alert;
      this.alerts.set(ruleId, { ruleId, name, at: Date.parse(triggeredAt ?? event.time) });
    }
    if (event.type === "alert:resolved" && event.alert) this.alerts.delete(event.alert.ruleId);
    if (!event.runId || !event.agentId) return null;
    this.#meet(event.agentId, event.agentName ?? "");
    this.#update(event, event.runId, event.agentId);
    return this.#pulse(event, event.agentId);
  }

  /** Removes runs that ended a while before `now`. */
  prune(now: number): void {
    for (const [id, run] of this.runs) {
      if (run.endedAt !== null && now - run.endedAt > LINGER_MS) this.runs.delete(id);
    }
    for (const id of this.runs.keys()) {
      if (this.runs.size <= MOST_RUNS) break;
      this.runs.delete(id);
    }
  }

  #meet(agentId: string, name: string): void {
    if (name || !this.agents.has(agentId)) this.agents.set(agentId, name || agentId);
  }

  #use(agentId: string, tool: string): void {
    const used = this.tools.get(agentId) ?? new Set();
    this.tools.set(agentId, used.add(tool));
  }

  #update(event: CenterEvent, runId: string, agentId: string): void {
    const at = Date.parse(event.time);
    const known = this.runs.get(runId) ?? newRun(runId, agentId, at);
    const status = statusOf(event) ?? known.status;
    const isOver = OVER.includes(known.status);
    const tokens = event.type === "run:llm_call" ? known.tokens : most(known.tokens, event.tokens);
    this.runs.set(runId, {
      ...known,
      agentName: event.agentName || known.agentName,
      model: event.run?.model ?? known.model,
      // A late event does not restart a run that has ended.
      status: isOver ? known.status : status,
      startedAt: event.run?.startedAt ? Date.parse(event.run.startedAt) : known.startedAt,
      lastEventAt: Math.max(known.lastEventAt, at),
      endedAt: known.endedAt ?? (OVER.includes(status) ? at : null),
      tokens,
      tokensPerSecond: rate(known, tokens, at),
      cost: event.type === "run:llm_call" ? known.cost : most(known.cost, event.cost),
      tool: toolOf(event, known.tool),
    });
  }

  #pulse(event: CenterEvent, agentId: string): Pulse | null {
    const agent = agentNode(agentId);
    switch (event.type) {
      case "run:tool_started":
        if (!event.tool) return { from: agent, to: null, tone: "good" };
        this.#use(agentId, event.tool);
        return { from: agent, to: toolNode(event.tool), tone: "good" };
      case "run:tool_completed":
        return event.tool ? { from: toolNode(event.tool), to: agent, tone: "good" } : null;
      case "run:completed":
        this.onEnd(agentId);
        return { from: agent, to: null, tone: "good" };
      case "run:started":
      case "run:progress":
      case "run:llm_call":
        return { from: agent, to: null, tone: "good" };
      case "run:error":
        return { from: agent, to: null, tone: "bad" };
      default:
        return null;
    }
  }
}

function fromSnapshot(run: Schemas["LiveRun"]): LiveRun {
  const startedAt = Date.parse(run.startedAt);
  const base = newRun(run.runId, run.agentId, startedAt);
  const { agentName, model, status, tokens, cost, tool } = run;
  return { ...base, agentName, model, status, tokens, cost, tool, lastEventAt: Date.parse(run.lastEventAt) };
}

function newRun(id: string, agentId: string, at: number): LiveRun {
  const unknown = { tokens: null, tokensPerSecond: null, cost: null, tool: null, endedAt: null };
  return { id, agentId, agentName: agentId, model: "", status: "running", startedAt: at, lastEventAt: at, ...unknown };
}

function statusOf(event: CenterEvent): string | undefined {
  return event.type === "run:status_changed" ? event.to : event.status;
}

function toolOf(event: CenterEvent, known: string | null): string | null {
  if (event.type === "run:tool_started") return event.tool ?? null;
  return event.type === "run:tool_completed" || event.type === "run:completed" || event.type === "run:error" ? null : known;
}

/** Returns the greater of two figures, since a growing figure may be reported late; null if both are unknown. */
function most(known: number | null, told: unknown): number | null {
  return typeof told === "number" ? Math.max(known ?? 0, told) : known;
}

/** Averages the new and the old rate, because progress is reported once a second and jumps. */
function rate(known: LiveRun, tokens: number | null, at: number): number | null {
  const seconds = (at - known.lastEventAt) / 1000;
  if (tokens === null || seconds < 0.2 || tokens === known.tokens) return known.tokensPerSecond;
  const now = Math.max(0, tokens - (known.tokens ?? 0)) / seconds;
  return known.tokensPerSecond === null ? now : (now + known.tokensPerSecond) / 2;
}

export interface Totals {
  readonly running: number;
  readonly waiting: number;
  /** Null if runs are active and none has reported yet. */
  readonly tokensPerSecond: number | null;
  /** The cost of the visible runs in US dollars; null if that of one is unknown. */
  readonly cost: number | null;
}

export function totalsOf(runs: readonly LiveRun[]): Totals {
  const active = runs.filter(({ endedAt }) => endedAt === null);
  const running = active.filter(({ status }) => status === "running");
  const rates = running.map(({ tokensPerSecond }) => tokensPerSecond).filter((rate) => rate !== null);
  const costs = active.map(({ cost }) => cost);
  return {
    running: running.length,
    waiting: active.length - running.length,
    tokensPerSecond: running.length > 0 && rates.length === 0 ? null : sum(rates),
    cost: costs.includes(null) ? null : sum(costs.map(Number)),
  };
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}

/** Active runs first, then ended ones, each latest first; null for runs in any state. */
export function sortedRuns(model: LiveModel, status: string | null): LiveRun[] {
  const wanted = [...model.runs.values()].filter((run) => status === null || run.status === status);
  return wanted.sort((one, other) => Number(one.endedAt !== null) - Number(other.endedAt !== null) || other.startedAt - one.startedAt);
}
