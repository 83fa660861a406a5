import type { CommandCenterEvent } from "../api/streams.js";
import { told } from "../run/state.js";
import type { Schemas } from "../schemas.js";

const RECENT = 100;
const OVER = /^run:(completed|error|deleted)$/;

const NEW_RUN = {
  runId: "",
  agentId: "",
  agentName: "",
  conversationId: null as string | null,
  model: "",
  status: "running",
  tokens: null as number | null,
  cost: null as number | null,
  tool: null as string | null,
};

/** The current runs and alerts of an organization. */
export interface CommandCenterBoard {
  readonly runs: readonly Schemas["LiveRun"][];
  /** The alerts that are triggered. */
  readonly alerts: readonly Schemas["TriggeredAlert"][];
  /** The latest events, at most 100. */
  readonly events: readonly CommandCenterEvent[];
}

/** Returns the fields of the board that an event changes. */
export function boardAfter(board: CommandCenterBoard, event: CommandCenterEvent): Partial<CommandCenterBoard> {
  const events = [...board.events.slice(1 - RECENT), event];
  if ("alert" in event) return { events, alerts: alertsAfter(board.alerts, event) };
  return "runId" in event ? { events, runs: runsAfter(board.runs, event) } : { events };
}

type AlertEvent = Extract<CommandCenterEvent, { alert: unknown }>;
type CenterRunEvent = Extract<CommandCenterEvent, { runId: string }>;

function alertsAfter(alerts: CommandCenterBoard["alerts"], { type, alert }: AlertEvent): CommandCenterBoard["alerts"] {
  const { ruleId, name, triggeredAt } = alert;
  const others = alerts.filter((one) => one.ruleId !== ruleId);
  return type === "alert:triggered" ? [...others, { ruleId, name, triggeredAt }] : others;
}

function runsAfter(runs: CommandCenterBoard["runs"], event: CenterRunEvent): CommandCenterBoard["runs"] {
  const known = runs.find(({ runId }) => runId === event.runId);
  if (OVER.test(event.type)) return runs.filter((run) => run !== known);
  if (!known) return event.type === "run:started" ? [...runs, newRun(event)] : runs;
  return runs.with(runs.indexOf(known), runAfter(known, event));
}

function runAfter(run: Schemas["LiveRun"], event: CenterRunEvent): Schemas["LiveRun"] {
  const now = { ...run, lastEventAt: event.time };
  switch (event.type) {
    case "run:progress":
      return { ...now, tokens: event.tokens, cost: event.cost };
    case "run:tool_started":
      return { ...now, tool: event.tool };
    case "run:tool_completed":
      return { ...now, tool: null };
    case "run:status_changed":
      return { ...now, status: event.to };
    default:
      return now;
  }
}

function newRun(event: CenterRunEvent): Schemas["LiveRun"] {
  const times = { startedAt: event.time, lastEventAt: event.time };
  return { ...told(event, NEW_RUN), ...times };
}
