import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { Badge } from "../../ui/Badge";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { SearchField } from "../../ui/SearchField";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Age } from "../../ui/Time";
import { usePages } from "../../ui/usePages";
import { type AgentView, isWhole, NEW } from "./model";
import "./agents.css";

const COLUMNS: readonly Column<AgentView>[] = [
  {
    key: "name",
    header: "Agent",
    cell: ({ id, name, builtin }) => (
      <span className="agent-name">
        <Link to="/agents/$agentId" params={{ agentId: id }}>
          {name}
        </Link>
        {builtin && <Badge tone="quiet">built in</Badge>}
      </span>
    ),
  },
  { key: "model", header: "Model", cell: ({ model }) => <span className="mono">{model || "the default"}</span> },
  { key: "tools", header: "Tools", cell: (agent) => toolsOf(agent) },
  { key: "visibility", header: "Visibility", cell: ({ visibility }) => visibility },
  { key: "updated", header: "Changed", cell: (agent) => (isWhole(agent) && agent.updatedAt ? <Age at={agent.updatedAt} /> : "–"), align: "right" },
];

/** The agents of the organization, the built-in ones first. */
export default function AgentsPage(): ReactNode {
  const api = useApi();
  const [q, setQuery] = useState("");
  const pages = usePages<AgentView>({
    queryKey: ["agents", "list", q],
    fetchPage: (cursor, signal) => api.agents.list({ cursor, limit: 50, q: q || null, signal }),
    refetchInterval: 15_000,
  });
  const create = (
    <Link className="button primary" to="/agents/$agentId" params={{ agentId: NEW }}>
      <Icon name="plus" /> New agent
    </Link>
  );
  return (
    <Page title="Agents" about="An agent is a model with instructions, tools and limits." actions={create}>
      <div className="filters">
        <SearchField label="Search agents" onSearch={setQuery} />
      </div>
      <PagedTable caption="Agents" columns={COLUMNS} pages={pages} rowKey={({ id }) => id} empty={<EmptyState title="No agent matches." />} />
    </Page>
  );
}

/** Tools, and how many of them ask before they run. */
function toolsOf(agent: AgentView): string {
  if (!isWhole(agent)) return "–";
  const uses = agent.tools ?? [];
  const asking = uses.filter((one) => typeof one !== "string" && one.policy !== "auto").length;
  const servers = (agent.mcpServers ?? []).length + (agent.a2aAgents ?? []).length;
  const asks = asking > 0 ? ` (${asking} ${asking === 1 ? "asks" : "ask"} first)` : "";
  const parts = [`${uses.length}${asks}`, servers > 0 && `${servers} ${servers === 1 ? "server" : "servers"}`];
  return parts.filter(Boolean).join(", ");
}
