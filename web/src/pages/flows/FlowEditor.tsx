import type { Schemas } from "@millrace/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { JsonEditor, pretty, problemsOf, readJson } from "../../ui/json/JsonEditor";
import { toast, toastError } from "../../ui/toast";
import { FlowGraph } from "./FlowGraph";
import { definitionOf, type Flow, type FlowStep, useFlowSchema } from "./model";

const BLANK = {
  name: "new-flow",
  description: "Asks, then answers.",
  steps: [
    { name: "draft", type: "agent", agentId: "demo", message: "input" },
    { name: "approval", type: "wait_for_input", prompt: "Send this answer?", choices: ["yes", "no"] },
    { name: "result", type: "end", result: 'steps.approval == "yes" ? steps.draft : "Not sent."' },
  ],
};

/** A flow as JSON with its graph, which is drawn while you type. */
export function FlowEditor({ flow }: { flow: Flow | null }): ReactNode {
  const schema = useFlowSchema();
  const stored = pretty(flow ? definitionOf(flow) : BLANK);
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? stored;
  const parsed = readJson(text);
  const { save, remove } = useCommands(flow, () => setTyped(null));
  const steps = "value" in parsed ? stepsOf(parsed.value) : null;
  return (
    <div className="split">
      <div className="stack">
        <JsonEditor label="Definition" value={text} onChange={setTyped} schema={schema} problems={problemsOf(save.error)} height="30rem" />
        <div className="buttons">
          <button
            type="button"
            className="button primary"
            disabled={save.isPending || !("value" in parsed) || (flow !== null && text === stored)}
            onClick={() => "value" in parsed && save.mutate(parsed.value)}
          >
            {flow ? "Save" : "Create"}
          </button>
          {flow && (
            <button type="button" className="button" onClick={() => void remove()}>
              Delete
            </button>
          )}
        </div>
      </div>
      {steps ? <FlowGraph steps={steps} view={null} selected={null} onSelect={() => undefined} /> : <p className="muted">The graph appears once the definition is valid JSON.</p>}
    </div>
  );
}

function useCommands(flow: Flow | null, onSaved: () => void) {
  const api = useApi();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const save = useMutation({
    mutationFn: (definition: unknown) =>
      flow
        ? api.flows.put(flow.name, definition as Schemas["FlowReplacement"])
        : api.flows.create(definition as Schemas["NewFlow"]),
    onSuccess: async ({ name }) => {
      toast.success(flow ? "Saved." : "Flow created.");
      await queries.invalidateQueries({ queryKey: ["flows"] });
      onSaved();
      if (!flow) void navigate({ to: "/flows/$name", params: { name } });
    },
  });
  const removal = useMutation({
    mutationFn: () => api.flows.delete(flow?.name ?? ""),
    onSuccess: async () => {
      await navigate({ to: "/flows" });
      await queries.invalidateQueries({ queryKey: ["flows"] });
    },
    onError: (error) => toastError("The flow was not deleted", error),
  });
  const remove = async () => {
    const text = "Executions that have started continue with the deleted definition.";
    if (await confirm({ title: `Delete ${flow?.name ?? ""}?`, text, action: "Delete", isDangerous: true })) removal.mutate();
  };
  return { save, remove };
}

/** The steps that can be drawn: those with a unique name and a type. */
function stepsOf(value: unknown): readonly FlowStep[] | null {
  const steps = typeof value === "object" && value !== null && "steps" in value ? value.steps : null;
  if (!Array.isArray(steps)) return null;
  const named = steps.filter((step): step is FlowStep => typeof step?.name === "string" && typeof step.type === "string");
  return named.filter((step, at) => named.findIndex(({ name }) => name === step.name) === at);
}
