import type { ReactNode } from "react";
import { Field } from "../../ui/Field";
import type { Problem } from "../../ui/json/JsonEditor";
import { type Draft, MOST_STARTERS } from "./draft";
import { type ChangeDraft, useAgentParts } from "./model";

export interface PartProps {
  readonly draft: Draft;
  readonly change: ChangeDraft;
  readonly problems: readonly Problem[];
}

export function errorOf(problems: readonly Problem[], path: string): string | null {
  return problems.find((problem) => problem.path === path)?.message ?? null;
}

/** Name, model, instructions, and visibility. */
export function BasicFields({ draft, change, problems }: PartProps): ReactNode {
  const parts = useAgentParts();
  const hint = parts && `As provider:model (example: ${parts.defaultModel || "bedrock:us.amazon.nova-lite-v1:0"}). Leave empty for the default model.`;
  return (
    <>
      <Field label="Name" error={errorOf(problems, "name")}>
        {(ids) => <input {...ids} required maxLength={120} value={draft.name} onChange={(event) => change({ name: event.target.value })} />}
      </Field>
      <Field label="Description" error={errorOf(problems, "description")}>
        {(ids) => <input {...ids} maxLength={1000} value={draft.description} onChange={(event) => change({ description: event.target.value })} />}
      </Field>
      <Field label="Model" hint={hint} error={errorOf(problems, "model")}>
        {(ids) => (
          <input {...ids} list="providers" spellCheck={false} value={draft.model} onChange={(event) => change({ model: event.target.value })} />
        )}
      </Field>
      <datalist id="providers">
        {parts?.providers.map((provider) => (
          <option key={provider} value={`${provider}:`} />
        ))}
      </datalist>
      <Field label="Instructions" error={errorOf(problems, "instructions")}>
        {(ids) => (
          <textarea {...ids} rows={6} value={draft.instructions} onChange={(event) => change({ instructions: event.target.value })} />
        )}
      </Field>
      <Field
        label="Starter prompts"
        hint={`Buttons in a new conversation: up to ${MOST_STARTERS}, one per line.`}
        error={errorOf(problems, "starters")}
      >
        {(ids) => (
          <textarea
            {...ids}
            rows={MOST_STARTERS}
            value={draft.starters.join("\n")}
            onChange={(event) => change({ starters: event.target.value.split("\n").slice(0, MOST_STARTERS) })}
          />
        )}
      </Field>
    </>
  );
}
