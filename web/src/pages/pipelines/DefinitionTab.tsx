import type { Schemas } from "@millrace/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { pretty, problemsOf, readJson } from "../../ui/json/JsonEditor";
import { toast } from "../../ui/toast";
import { DefinitionEditor } from "./DefinitionEditor";
import { definitionOf, type Pipeline } from "./model";

/** The editor of a pipeline's definition. Saving creates a new version. */
export function DefinitionTab({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const api = useApi();
  const queries = useQueryClient();
  const stored = pretty(definitionOf(pipeline));
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? stored;
  const parsed = readJson(text);
  const save = useMutation({
    mutationFn: (definition: unknown) => api.streaming.putPipeline(pipeline.id, definition as Schemas["PipelineDefinition"]),
    onSuccess: async ({ version }) => {
      toast.success(`Saved as version ${version}.`);
      await queries.invalidateQueries({ queryKey: ["pipelines"] });
      setTyped(null);
    },
  });
  return (
    <DefinitionEditor
      text={text}
      onChange={setTyped}
      problems={problemsOf(save.error)}
      warnings={save.data?.warnings ?? []}
      pipelineId={pipeline.id}
    >
      <button
        type="button"
        className="button primary"
        disabled={save.isPending || text === stored || !("value" in parsed) || pipeline.state === "stopped"}
        onClick={() => "value" in parsed && save.mutate(parsed.value)}
      >
        Save
      </button>
      {text !== stored && (
        <button type="button" className="button" onClick={() => setTyped(null)}>
          Discard changes
        </button>
      )}
      {pipeline.state === "stopped" && <p className="muted">A stopped pipeline cannot be changed.</p>}
    </DefinitionEditor>
  );
}
