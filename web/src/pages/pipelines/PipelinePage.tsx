import { useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { StateBadge } from "../../ui/Badge";
import { Page } from "../../ui/Page";
import { Loaded } from "../../ui/states";
import { Age } from "../../ui/Time";
import { Tabs } from "../../ui/Tabs";
import { Actions } from "./Actions";
import { DeadLetters } from "./DeadLetters";
import { DefinitionTab } from "./DefinitionTab";
import { NEW, type Pipeline, usePipelineQuery } from "./model";
import { NewPipeline } from "./NewPipeline";
import { Overview } from "./Overview";
import { Recorded } from "./Recorded";
import { Versions } from "./Versions";
import "./pipelines.css";

/** A pipeline, or the editor for a new one. */
export default function PipelinePage(): ReactNode {
  const { pipelineId } = useParams({ from: "/pipelines/$pipelineId" });
  // Everything typed or selected belongs to the pipeline of that address.
  return pipelineId === NEW ? <NewPipeline /> : <OnePipeline key={pipelineId} id={pipelineId} />;
}

function OnePipeline({ id }: { id: string }): ReactNode {
  const query = usePipelineQuery(id, "pipeline", (api, options) => api.getPipeline(id, options));
  const pipeline = query.data;
  return (
    <Page
      title={pipeline?.name ?? "Pipeline"}
      about={pipeline && <About pipeline={pipeline} />}
      actions={pipeline && <Actions pipeline={pipeline} />}
    >
      <Loaded query={query}>
        {(found) => (
          <Tabs
            label="Parts of the pipeline"
            tabs={[
              { id: "overview", label: "Overview", content: () => <Overview pipeline={found} /> },
              { id: "definition", label: "Definition", content: () => <DefinitionTab pipeline={found} /> },
              { id: "dead-letters", label: "Dead letters", content: () => <DeadLetters pipeline={found} /> },
              { id: "events", label: "Events", content: () => <Recorded pipeline={found} /> },
              { id: "versions", label: "Versions", content: () => <Versions pipeline={found} /> },
            ]}
          />
        )}
      </Loaded>
    </Page>
  );
}

function About({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const description = pipeline["description"];
  return (
    <>
      <StateBadge state={pipeline.state} /> state changed <Age at={pipeline.stateSince} />, version {pipeline.version}
      {typeof description === "string" && description && `: ${description}`}
    </>
  );
}
