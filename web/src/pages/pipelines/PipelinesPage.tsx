import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { StateBadge } from "../../ui/Badge";
import { formatCompact, orDash } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { SearchField } from "../../ui/SearchField";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Age } from "../../ui/Time";
import { usePages } from "../../ui/usePages";
import { destinationsOf, NEW, type Pipeline, titleOf, transformsOf, useSeries } from "./model";
import { Sparkline } from "./Sparkline";
import "./pipelines.css";

/** Each row loads its own data. */
const RATE_MS = 20_000;
const STATES: readonly Pipeline["state"][] = ["created", "running", "paused", "stopped"];

const COLUMNS: readonly Column<Pipeline>[] = [
  {
    key: "name",
    header: "Pipeline",
    cell: ({ id, name }) => (
      <Link to="/pipelines/$pipelineId" params={{ pipelineId: id }}>
        {name}
      </Link>
    ),
  },
  { key: "state", header: "State", cell: ({ state }) => <StateBadge state={state} /> },
  { key: "chain", header: "Route", cell: (pipeline) => <span className="muted">{summaryOf(pipeline)}</span> },
  { key: "rate", header: "Last 15 minutes", cell: (pipeline) => <Rate pipeline={pipeline} /> },
  { key: "updated", header: "Changed", cell: ({ updatedAt }) => <Age at={updatedAt} />, align: "right" },
];

/** The organization's pipelines with their current activity. */
export default function PipelinesPage(): ReactNode {
  const api = useApi();
  const [q, setQuery] = useState("");
  const [state, setState] = useState<Pipeline["state"] | "">("");
  const pages = usePages<Pipeline>({
    queryKey: ["pipelines", "list", q, state],
    fetchPage: (cursor, signal) =>
      api.streaming.listPipelines({ cursor, limit: 30, q: q || null, state: state || null, signal }),
    refetchInterval: 10_000,
  });
  const isFiltered = q !== "" || state !== "";
  return (
    <Page title="Pipelines" about="Deliver events from runs, webhooks, schedules and databases to wherever you need them." actions={<NewLink />}>
      <div className="filters">
        <SearchField label="Search pipelines" onSearch={setQuery} />
        <select className="input" aria-label="State" value={state} onChange={(event) => setState(event.target.value as typeof state)}>
          <option value="">Any state</option>
          {STATES.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </div>
      <PagedTable
        caption="Pipelines"
        columns={COLUMNS}
        pages={pages}
        rowKey={({ id }) => id}
        empty={isFiltered ? <EmptyState title="No pipeline matches." /> : <Nothing />}
      />
    </Page>
  );
}

function NewLink(): ReactNode {
  return (
    <Link className="button primary" to="/pipelines/$pipelineId" params={{ pipelineId: NEW }}>
      <Icon name="plus" /> New pipeline
    </Link>
  );
}

function Nothing(): ReactNode {
  return (
    <EmptyState title="No pipelines yet." action={<NewLink />}>
      A pipeline filters and reshapes events, and delivers them to a destination. Start from a template, or write your own.
    </EmptyState>
  );
}

function summaryOf(pipeline: Pipeline): string {
  const source = String(pipeline.source["type"]).replaceAll("_", " ");
  const steps = transformsOf(pipeline).map(({ type }) => type);
  return [source, ...steps, destinationsOf(pipeline).map(titleOf).join(" + ")].join(" → ");
}

/** Events per second as a chart; empty for a pipeline that is not running. */
function Rate({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const { data } = useSeries(pipeline.id, 15, 60, RATE_MS);
  if (!data) return "–";
  const rates = data.points.map(({ throughput }) => throughput);
  const failed = data.points.reduce((sum, { itemsFailed }) => sum + itemsFailed, 0);
  return (
    <span className="rate">
      <Sparkline values={rates} />
      <span className="numeric">{orDash(rates.at(-1), (rate) => `${formatCompact(rate)}/s`)}</span>
      {failed > 0 && <span className="failed">{formatCompact(failed)} failed</span>}
    </span>
  );
}
