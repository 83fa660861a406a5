import { Link } from "@tanstack/react-router";
import { type ReactNode, useCallback, useMemo, useState } from "react";
import { useAgentNames } from "../../app/agentNames";
import { useApi } from "../../app/context";
import { Badge } from "../../ui/Badge";
import { Page } from "../../ui/Page";
import { formatAge, formatCompact, formatCost, orDash } from "../../ui/format";
import { EmptyState, ErrorState } from "../../ui/states";
import { usePages } from "../../ui/usePages";
import { type Feed, type Moment, useFeed } from "./feed";
import { graphOf, type Pipeline, pipelinesOf } from "./graph";
import { LiveGraph } from "./LiveGraph";
import { type LiveAlert, type LiveModel, type LiveRun, type Pulse, sortedRuns, totalsOf } from "./model";
import { Pulses } from "./pulses";
import { RunCards } from "./RunCards";
import { TimeBar } from "./TimeBar";
import "./live.css";

const PIPELINES_REFRESH_MS = 30_000;

export default function LivePage(): ReactNode {
  const [moment, setMoment] = useState<Moment>(null);
  const [speed, setSpeed] = useState(10);
  const [agentId, setAgentId] = useState<string | null>(null);
  const [status, setStatus] = useState<string | null>(null);
  const [pulses] = useState(() => new Pulses());
  const pipelines = usePipelines();
  const send = useCallback((pulse: Pulse) => pulses.send(pulse), [pulses]);
  const feed = useFeed(moment, speed, agentId, send);
  useDeliveries(feed.model, pipelines, pulses);
  const graph = useGraph(feed.model, pipelines, agentId);
  const runs = sortedRuns(feed.model, status);
  const filters = (
    <>
      <AgentFilter value={agentId} onChange={setAgentId} />
      <StatusFilter value={status} onChange={setStatus} />
    </>
  );
  return (
    <Page title="Live" about={<LinkState feed={feed} />} actions={filters}>
      <TimeBar feed={feed} moment={moment} speed={speed} onMoment={setMoment} onSpeed={setSpeed} />
      {Boolean(feed.error) && <ErrorState error={feed.error} />}
      <Alerts alerts={[...feed.model.alerts.values()]} now={feed.now} />
      <Figures runs={runs} />
      {graph.nodes.length > 0 ? (
        <LiveGraph graph={graph} pulses={pulses} />
      ) : (
        <EmptyState title="Nothing has run yet.">Agents, their tools and pipelines appear here with the first run.</EmptyState>
      )}
      <RunCards runs={runs} now={feed.now} />
    </Page>
  );
}

/** The graph changes only when there is a new agent, tool or pipeline. */
function useGraph(model: LiveModel, pipelines: readonly Pipeline[], agentId: string | null) {
  const tools = [...model.tools].map(([agent, used]) => `${agent}:${[...used].join("|")}`).join(",");
  const shape = `${[...model.agents.entries()].join(",")};${tools}`;
  return useMemo(() => graphOf(model, pipelines, agentId), [shape, pipelines, agentId]);
}

/** Completed runs flow on into pipelines and their destinations. */
function useDeliveries(model: LiveModel, pipelines: readonly Pipeline[], pulses: Pulses): void {
  model.onEnd = (agentId) => {
    for (const pipeline of pipelinesOf(agentId, pipelines, model)) pulses.send({ from: `agent:${agentId}`, to: pipeline, tone: "good" });
  };
}

function usePipelines(): readonly Pipeline[] {
  const api = useApi();
  const { data } = usePages<Pipeline>({
    queryKey: ["live", "pipelines"],
    fetchPage: (cursor, signal) => api.streaming.listPipelines({ cursor, limit: 100, signal }),
    refetchInterval: PIPELINES_REFRESH_MS,
  });
  const known = JSON.stringify(data ?? []);
  return useMemo(() => JSON.parse(known) as readonly Pipeline[], [known]);
}

const LINKS: Record<Feed["link"], string> = {
  connecting: "Connecting…",
  open: "As it happens",
  lost: "Connection lost. Reconnecting…",
  asleep: "Paused while the tab is hidden",
  replaying: "Replaying the past",
  ended: "The replay has reached the present",
};

function LinkState({ feed }: { feed: Feed }): ReactNode {
  return <span role="status">{LINKS[feed.link]}</span>;
}

interface FilterProps {
  readonly value: string | null;
  readonly onChange: (value: string | null) => void;
}

function AgentFilter({ value, onChange }: FilterProps): ReactNode {
  const agents = useAgentNames();
  return (
    <select className="input" aria-label="Agent" value={value ?? ""} onChange={(event) => onChange(event.target.value || null)}>
      <option value="">All agents</option>
      {agents.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}

const STATUSES = ["queued", "running", "waiting", "completed", "failed", "stopped"];

/** The maximum number of run cards; the graph shows all activity. */
function StatusFilter({ value, onChange }: FilterProps): ReactNode {
  return (
    <select className="input" aria-label="State" value={value ?? ""} onChange={(event) => onChange(event.target.value || null)}>
      <option value="">Any state</option>
      {STATUSES.map((status) => (
        <option key={status}>{status}</option>
      ))}
    </select>
  );
}

function Alerts({ alerts, now }: { alerts: readonly LiveAlert[]; now: number }): ReactNode {
  if (alerts.length === 0) return null;
  return (
    <ul className="alert-strip" aria-label="Active alerts">
      {alerts.map((alert) => (
        <li key={alert.ruleId}>
          <Badge tone="bad">{alert.name}</Badge> <span className="muted">{formatAge(alert.at, now)}</span>{" "}
          <Link to="/alerts">Open</Link>
        </li>
      ))}
    </ul>
  );
}

function Figures({ runs }: { runs: readonly LiveRun[] }): ReactNode {
  const totals = totalsOf(runs);
  return (
    <dl className="live-figures numeric">
      <Figure name="Running" value={String(totals.running)} />
      <Figure name="Waiting" value={String(totals.waiting)} />
      <Figure name="Tokens/s" value={orDash(totals.tokensPerSecond, formatCompact)} />
      <Figure name="Cost of active runs" value={orDash(totals.cost, formatCost)} />
    </dl>
  );
}

function Figure({ name, value }: { name: string; value: string }): ReactNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
