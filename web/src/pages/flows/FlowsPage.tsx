import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { SearchField } from "../../ui/SearchField";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Age } from "../../ui/Time";
import { usePages } from "../../ui/usePages";
import { type FlowView, isWhole, NEW } from "./model";

const COLUMNS: readonly Column<FlowView>[] = [
  {
    key: "name",
    header: "Flow",
    cell: ({ name }) => (
      <Link to="/flows/$name" params={{ name }}>
        {name}
      </Link>
    ),
  },
  { key: "about", header: "Description", cell: ({ description }) => description || "–" },
  {
    key: "steps",
    header: "Steps",
    cell: (flow) => <span className="muted">{isWhole(flow) ? flow.steps.map(({ name }) => name).join(" → ") : "–"}</span>,
  },
  { key: "updated", header: "Changed", cell: ({ updatedAt }) => <Age at={updatedAt} />, align: "right" },
];

/** The organization's flows. */
export default function FlowsPage(): ReactNode {
  const api = useApi();
  const [q, setQuery] = useState("");
  const pages = usePages<FlowView>({
    queryKey: ["flows", "list", q],
    fetchPage: (cursor, signal) => api.flows.list({ cursor, limit: 50, q: q || null, signal }),
    refetchInterval: 15_000,
  });
  return (
    <Page title="Flows" about="Agents, tools, pipelines and people, in a fixed order." actions={<NewLink />}>
      <div className="filters">
        <SearchField label="Search flows" onSearch={setQuery} />
      </div>
      <PagedTable
        caption="Flows"
        columns={COLUMNS}
        pages={pages}
        rowKey={({ name }) => name}
        empty={q === "" ? <Nothing /> : <EmptyState title="No flow matches." />}
      />
    </Page>
  );
}

function NewLink(): ReactNode {
  return (
    <Link className="button primary" to="/flows/$name" params={{ name: NEW }}>
      <Icon name="plus" /> New flow
    </Link>
  );
}

function Nothing(): ReactNode {
  return (
    <EmptyState title="No flows yet." action={<NewLink />}>
      A flow asks agents, calls tools and waits for people, step by step.
    </EmptyState>
  );
}
