import type { ReactNode } from "react";
import { Field } from "../../ui/Field";
import { Section } from "../../ui/Page";
import { errorOf, type PartProps } from "./BasicFields";
import type { Draft, LimitName } from "./draft";

const WORDS: Record<LimitName, { label: string; hint: string }> = {
  maxIterations: { label: "Iterations", hint: "1 to 200, 20 by default" },
  maxTokens: { label: "Output tokens", hint: "In the whole run, 8,192 by default" },
  maxSeconds: { label: "Seconds", hint: "600 by default" },
  maxCost: { label: "Cost in US dollars", hint: "Leave empty for no limit" },
};
const SHOWS: readonly { value: Draft["visibility"]; label: string }[] = [
  { value: "full", label: "Everything" },
  { value: "steps", label: "Answers and steps, without arguments or results" },
  { value: "answer", label: "Answers only" },
];

/** The limits of a run, and what its viewers may see. */
export function LimitFields({ draft, change, problems }: PartProps): ReactNode {
  return (
    <Section title="Limits and visibility">
      <div className="agent-limits">
        {(Object.keys(WORDS) as LimitName[]).map((name) => (
          <Field key={name} label={WORDS[name].label} hint={WORDS[name].hint} error={errorOf(problems, `limits.${name}`)}>
            {(ids) => (
              <input
                {...ids}
                type="number"
                min={0}
                step="any"
                value={draft.limits[name]}
                onChange={(event) => change({ limits: { ...draft.limits, [name]: event.target.value } })}
              />
            )}
          </Field>
        ))}
      </div>
      <Field label="Viewers see" error={errorOf(problems, "visibility")}>
        {(ids) => (
          <select {...ids} value={draft.visibility} onChange={(event) => change({ visibility: event.target.value as Draft["visibility"] })}>
            {SHOWS.map(({ value, label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        )}
      </Field>
      <label className="agent-check">
        <input type="checkbox" checked={draft.exposeA2A} onChange={(event) => change({ exposeA2A: event.target.checked })} />
        List this agent for A2A clients of the organization
      </label>
    </Section>
  );
}
