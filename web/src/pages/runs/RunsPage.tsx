import type { Schemas } from "@millrace/client";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useAgentNames } from "../../app/agentNames";
import { useApi } from "../../app/context";
import { StateBadge } from "../../ui/Badge";
import { asOption, Choice, hoursAgo, type Option, TextFilter } from "../../ui/Filters";
import { Page } from "../../ui/Page";
import { type Column, PagedTable } from "../../ui/Table";
import { formatCost, formatDuration, formatNumber, orDash } from "../../ui/format";
import { EmptyState } from "../../ui/states";
import { Age } from "../../ui/Time";
import { usePages } from "../../ui/usePages";

type Run = Schemas["Run"];

const REFRESH_MS = 5000;
const STATES: readonly Run["state"][] = ["queued", "running", "waiting", "completed", "failed", "stopped"];
const PERIODS: readonly Option[] = [
  { value: "1", label: "Last hour" },
  { value: "24", label: "Last 24 hours" },
  { value: "168", label: "Last 7 days" },
];

/** The filters of the list in the address. */
interface Filters {
  readonly agentId?: string;
  readonly state?: Run["state"];
  readonly user?: string;
  readonly conversationId?: string;
  /** Hours. */
  readonly period?: string;
}

const COLUMNS: readonly Column<Run>[] = [
  { key: "agent", header: "Agent", cell: (run) => <RunLink run={run} /> },
  { key: "state", header: "State", cell: (run) => <StateBadge state={run.state} /> },
  { key: "started", header: "Started", cell: (run) => <Age at={run.startedAt} /> },
  { key: "user", header: "User", cell: (run) => run.createdBy ?? "–" },
  { key: "duration", header: "Duration", align: "right", cell: (run) => orDash(run.durationMs, formatDuration) },
  { key: "tokens", header: "Tokens", align: "right", cell: (run) => orDash(run.usage?.total, formatNumber) },
  { key: "cost", header: "Cost", align: "right", cell: (run) => orDash(run.cost, formatCost) },
];

export default function RunsPage(): ReactNode {
  const api = useApi();
  const filters: Filters = useSearch({ strict: false });
  const { period, ...rest } = filters;
  const pages = usePages<Run>({
    queryKey: ["runs", filters],
    fetchPage: (cursor, signal) => api.runs.list({ ...rest, since: hoursAgo(period), cursor, signal }),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Page title="Runs" about="Every answer of an agent and every execution of a flow in the last 30 days.">
      <FilterBar filters={filters} />
      <PagedTable
        caption="Runs, latest first"
        columns={COLUMNS}
        pages={pages}
        rowKey={(run) => run.id}
        empty={Object.keys(filters).length > 0 ? <EmptyState title="No run matches the filters." /> : <Nothing />}
      />
    </Page>
  );
}

function Nothing(): ReactNode {
  const chat = (
    <Link to="/chat" className="button primary">
      Start a conversation
    </Link>
  );
  return (
    <EmptyState title="No runs yet." action={chat}>
      Each message to an agent starts a run. Runs appear here as they start.
    </EmptyState>
  );
}

function RunLink({ run }: { run: Run }): ReactNode {
  return (
    <Link to="/runs/$runId" params={{ runId: run.id }}>
      {run.agentName || run.agentId}
    </Link>
  );
}

function FilterBar({ filters }: { filters: Filters }): ReactNode {
  const navigate = useNavigate();
  const agents = useAgentNames().map(({ id, name }) => ({ value: id, label: name }));
  const choose = (name: keyof Filters, value: string) => {
    const { [name]: _, ...others } = filters;
    void navigate({ to: "/runs", search: (value ? { ...others, [name]: value } : others) as never, replace: true });
  };
  return (
    <div className="filters" role="search" aria-label="Filters">
      <Choice label="Agent" any="All agents" value={filters.agentId} options={agents} onChange={(value) => choose("agentId", value)} />
      <Choice label="State" any="Any state" value={filters.state} options={STATES.map(asOption)} onChange={(value) => choose("state", value)} />
      <Choice label="Time" any="Any time" value={filters.period} options={PERIODS} onChange={(value) => choose("period", value)} />
      <TextFilter label="User" value={filters.user} onChange={(value) => choose("user", value)} />
      <TextFilter label="Conversation" value={filters.conversationId} onChange={(value) => choose("conversationId", value)} />
    </div>
  );
}
