import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { useApi } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { problemsOf } from "../../ui/json/JsonEditor";
import { toast, toastError } from "../../ui/toast";
import { BasicFields } from "./BasicFields";
import { type Draft, settingsOf } from "./draft";
import { LimitFields } from "./LimitFields";
import type { Agent } from "./model";
import { ServerFields } from "./ServerFields";
import { ToolFields } from "./ToolFields";

interface AgentEditorProps {
  /** Null for a new one. */
  readonly agent: Agent | null;
  readonly initial: Draft;
}

/** All settings of an agent. A built-in one can only be viewed and copied. */
export function AgentEditor({ agent, initial }: AgentEditorProps): ReactNode {
  const [draft, setDraft] = useState(initial);
  const change = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }));
  const isFixed = agent?.builtin ?? false;
  const { save, copy, remove } = useCommands(agent, draft);
  const problems = problemsOf(save.error);
  const isChanged = useMemo(() => JSON.stringify(draft) !== JSON.stringify(initial), [draft, initial]);
  const parts = { draft, change, problems };
  return (
    <form
      className="stack"
      aria-label="Settings of the agent"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      {isFixed && <p className="stale">Built-in agents cannot be changed. Copy this one to make your own.</p>}
      <fieldset className="plain stack" disabled={isFixed}>
        <BasicFields {...parts} />
        <ToolFields {...parts} />
        <ServerFields {...parts} kind="mcpServers" />
        <ServerFields {...parts} kind="a2aAgents" />
        <LimitFields {...parts} />
      </fieldset>
      {problems.length > 0 && (
        <ul className="problems" role="alert">
          {problems.map(({ path, message }) => (
            <li key={path + message}>
              {path && <code>{path}</code>} {message}
            </li>
          ))}
        </ul>
      )}
      <div className="buttons editor-foot">
        {!isFixed && (
          <button type="submit" className="button primary" disabled={save.isPending || (agent !== null && !isChanged)}>
            {agent ? "Save" : "Create"}
          </button>
        )}
        {agent && (
          <button type="button" className="button" onClick={() => copy.mutate()}>
            Copy
          </button>
        )}
        {agent && !isFixed && (
          <button type="button" className="button" onClick={() => void remove()}>
            Delete
          </button>
        )}
      </div>
    </form>
  );
}

function useCommands(agent: Agent | null, draft: Draft) {
  const api = useApi();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const open = (id: string) => void navigate({ to: "/agents/$agentId", params: { agentId: id } });
  const renew = () => queries.invalidateQueries({ queryKey: ["agents"] });
  const save = useMutation({
    mutationFn: () =>
      agent
        ? api.agents.put(agent.id, settingsOf(draft))
        : api.agents.create(settingsOf(draft)),
    onSuccess: async (saved) => {
      toast.success(agent ? "Saved." : "Agent created.");
      await renew();
      if (!agent) open(saved.id);
    },
  });
  const copy = useMutation({
    mutationFn: () => api.agents.create(settingsOf({ ...draft, name: `${draft.name} (copy)`.slice(0, 120) })),
    onSuccess: async (made) => {
      await renew();
      open(made.id);
    },
    onError: (error) => toastError("The agent was not copied", error),
  });
  const removal = useMutation({
    mutationFn: () => api.agents.delete(agent?.id ?? ""),
    onSuccess: async () => {
      await navigate({ to: "/agents" });
      await renew();
    },
    onError: (error) => toastError("The agent was not deleted", error),
  });
  const remove = async () => {
    const text = "Its conversations are kept; its memories are deleted.";
    if (await confirm({ title: `Delete ${draft.name}?`, text, action: "Delete", isDangerous: true })) removal.mutate();
  };
  return { save, copy, remove };
}
