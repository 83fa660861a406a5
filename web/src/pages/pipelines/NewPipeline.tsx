import type { Schemas } from "@millrace/client";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { Field } from "../../ui/Field";
import { pretty, problemsOf, readJson } from "../../ui/json/JsonEditor";
import { Page } from "../../ui/Page";
import { toast } from "../../ui/toast";
import { DefinitionEditor } from "./DefinitionEditor";

type Template = Schemas["PipelineTemplate"];

const BLANK = {
  name: "New pipeline",
  source: { type: "agent_execution", statuses: ["completed"] },
  transforms: [{ type: "filter", config: { field: "type", operator: "eq", value: "run:completed" } }],
  destination: { type: "webhook", config: { url: "https://example.com/events" } },
};

/** The editor for a new pipeline, from a template or from scratch, with a dry run before it is created. */
export function NewPipeline(): ReactNode {
  const api = useApi();
  const navigate = useNavigate();
  const [text, setText] = useState(() => pretty(BLANK));
  const parsed = readJson(text);
  const create = useMutation({
    mutationFn: (definition: unknown) => api.streaming.createPipeline(definition as Schemas["PipelineDefinition"]),
    onSuccess: ({ id, warnings }) => {
      toast.success("Pipeline created. Start it to accept events.", {
        ...(warnings.length > 0 && { description: warnings.map(({ message }) => message).join(" ") }),
      });
      void navigate({ to: "/pipelines/$pipelineId", params: { pipelineId: id } });
    },
  });
  return (
    <Page title="New pipeline">
      <Templates onPick={({ definition }) => setText(pretty(definition))} />
      <DefinitionEditor text={text} onChange={setText} problems={problemsOf(create.error)} warnings={[]} pipelineId={null}>
        <button
          type="button"
          className="button primary"
          disabled={create.isPending || !("value" in parsed)}
          onClick={() => "value" in parsed && create.mutate(parsed.value)}
        >
          Create
        </button>
      </DefinitionEditor>
    </Page>
  );
}

function Templates({ onPick }: { onPick: (template: Template) => void }): ReactNode {
  const api = useApi();
  const [picked, setPicked] = useState("");
  const { data } = useQuery({
    queryKey: ["pipeline-templates"],
    queryFn: ({ signal }) => api.streaming.listTemplates({ signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const template = data?.items.find(({ id }) => id === picked);
  const pick = (id: string) => {
    setPicked(id);
    const found = data?.items.find((one) => one.id === id);
    if (found) onPick(found);
  };
  return (
    <Field label="Template" hint={template && hintOf(template)}>
      {(ids) => (
        <select {...ids} value={picked} onChange={(event) => pick(event.target.value)}>
          <option value="">None</option>
          {data?.items.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** The purpose of a template, and its parameters. */
function hintOf({ description, parameters }: Template): string {
  const named = parameters.map(({ name, description: about }) => `$(${name}): ${about}`);
  return [description, named.length > 0 && `Replace ${named.join("; ")}`].filter(Boolean).join(" ");
}
