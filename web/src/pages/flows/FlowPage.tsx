import { useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { formatAge } from "../../ui/format";
import { Page } from "../../ui/Page";
import { EmptyState, Loaded } from "../../ui/states";
import { Tabs } from "../../ui/Tabs";
import { withEnd } from "./execution";
import { ExecutionPanel } from "./ExecutionPanel";
import { Executions } from "./Executions";
import { FlowEditor } from "./FlowEditor";
import { FlowGraph } from "./FlowGraph";
import { type Flow, type FlowView, isWhole, NEW, useFlow } from "./model";
import { useExecution } from "./useExecution";
import "./flows.css";

/** A flow with its executions, or the editor for a new one. */
export default function FlowPage(): ReactNode {
  const { name } = useParams({ from: "/flows/$name" });
  if (name === NEW) {
    return (
      <Page title="New flow">
        <FlowEditor flow={null} />
      </Page>
    );
  }
  return <OneFlow key={name} name={name} />;
}

function OneFlow({ name }: { name: string }): ReactNode {
  const query = useFlow(name);
  const about = query.data && [query.data.description, `Changed ${formatAge(query.data.updatedAt)}.`].filter(Boolean).join(" ");
  return (
    <Page title={name} about={about}>
      <Loaded query={query}>
        {(flow) => (
          <Tabs
            label="Parts of the flow"
            tabs={[
              { id: "run", label: "Run", content: () => <RunTab flow={flow} /> },
              { id: "definition", label: "Definition", content: () => <Definition flow={flow} /> },
            ]}
          />
        )}
      </Loaded>
    </Page>
  );
}

function Definition({ flow }: { flow: FlowView }): ReactNode {
  return isWhole(flow) ? <FlowEditor flow={flow} /> : <HiddenSteps />;
}

function HiddenSteps(): ReactNode {
  return <EmptyState title="Your role cannot see the steps of this flow." />;
}

function RunTab({ flow }: { flow: FlowView }): ReactNode {
  const queries = useQueryClient();
  const renew = () => void queries.invalidateQueries({ queryKey: ["flow-executions", flow.name] });
  const live = useExecution(flow.name, renew);
  const [selected, setSelected] = useState<string | null>(null);
  const steps: Flow["steps"] = isWhole(flow) ? flow.steps : [];
  const execution = { ...live, view: live.view && withEnd(live.view, steps) };
  return (
    <>
      <div className="split">
        {steps.length > 0 ? (
          <FlowGraph steps={steps} view={execution.view} selected={selected} onSelect={setSelected} />
        ) : (
          <HiddenSteps />
        )}
        <ExecutionPanel flow={flow} execution={execution} selected={selected} />
      </div>
      <Executions name={flow.name} current={execution.executionId} onOpen={execution.watch} />
    </>
  );
}
