import { useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState, Loaded } from "../../ui/states";
import { AgentEditor } from "./AgentEditor";
import { EMPTY, draftOf } from "./draft";
import { type AgentView, isWhole, NEW, useAgent } from "./model";
import { TestChat } from "./TestChat";
import "./agents.css";

/** An agent with a chat to try it, or the editor for a new one. */
export default function AgentPage(): ReactNode {
  const { agentId } = useParams({ from: "/agents/$agentId" });
  return agentId === NEW ? <NewAgent /> : <OneAgent key={agentId} id={agentId} />;
}

function NewAgent(): ReactNode {
  return (
    <Page title="New agent">
      <div className="split">
        <AgentEditor agent={null} initial={EMPTY} />
        <EmptyState title="Create the agent to try it here." />
      </div>
    </Page>
  );
}

function OneAgent({ id }: { id: string }): ReactNode {
  const query = useAgent(id);
  return (
    <Page title={query.data?.name ?? "Agent"} about={query.data?.description}>
      <Loaded query={query}>
        {(agent) => (
          <div className="split">
            <Editor agent={agent} />
            <TestChat agent={agent} />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function Editor({ agent }: { agent: AgentView }): ReactNode {
  if (!isWhole(agent)) return <EmptyState title="Your role cannot see the settings of this agent." />;
  return <AgentEditor agent={agent} initial={draftOf(agent)} />;
}
