import type { ReactNode } from "react";
import { Field } from "../../ui/Field";
import type { Problem } from "../../ui/json/JsonEditor";
import type { RuleDraft } from "./draft";
import { METRICS, type Metric, type Op, OPS } from "./model";

interface RuleFieldsProps {
  readonly draft: RuleDraft;
  readonly onChange: (draft: RuleDraft) => void;
  readonly problems: readonly Problem[];
}

export function RuleFields({ draft, onChange, problems }: RuleFieldsProps): ReactNode {
  const set = (changes: Partial<RuleDraft>) => onChange({ ...draft, ...changes });
  const error = (path: string) => problems.find((one) => one.path === path)?.message ?? null;
  const others = problems.filter(({ path }) => path === "" || !(path in draft));
  const { unit } = METRICS[draft.metric];
  return (
    <div className="stack">
      <Field label="Name" error={error("name")}>
        {(ids) => <input {...ids} required maxLength={120} value={draft.name} onChange={(event) => set({ name: event.target.value })} />}
      </Field>
      <Field label="Metric" error={error("metric")}>
        {(ids) => <Select ids={ids} value={draft.metric} options={LABELS} onChange={(metric) => set({ metric: metric as Metric })} />}
      </Field>
      <Field label="Condition" error={error("op")}>
        {(ids) => <Select ids={ids} value={draft.op} options={OPS} onChange={(op) => set({ op: op as Op })} />}
      </Field>
      <NumberField label="Threshold" hint={unit} error={error("threshold")} value={draft.threshold} isRequired onChange={(threshold) => set({ threshold })} />
      <NumberField
        label="Resolve at"
        hint="Leave empty for 10% on the healthy side of the threshold."
        error={error("resolveThreshold")}
        value={draft.resolveThreshold}
        onChange={(resolveThreshold) => set({ resolveThreshold })}
      />
      {draft.metric !== "stuck_run" && (
        <NumberField label="Window" hint="In seconds, 10 to 3,600." error={error("window")} value={draft.window} isRequired onChange={(window) => set({ window })} />
      )}
      {draft.metric !== "backpressure" && (
        <Field label="Agents" hint="Ids, separated by commas. Leave empty for all." error={error("agentIds")}>
          {(ids) => <input {...ids} value={draft.agentIds} onChange={(event) => set({ agentIds: event.target.value })} />}
        </Field>
      )}
      {others.length > 0 && (
        <ul className="problems" role="alert">
          {others.map(({ message }) => (
            <li key={message}>{message}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

const LABELS = Object.fromEntries(Object.entries(METRICS).map(([metric, { label }]) => [metric, label]));

interface SelectProps {
  readonly ids: object;
  readonly value: string;
  readonly options: Readonly<Record<string, string>>;
  readonly onChange: (value: string) => void;
}

function Select({ ids, value, options, onChange }: SelectProps): ReactNode {
  return (
    <select {...ids} value={value} onChange={(event) => onChange(event.target.value)}>
      {Object.entries(options).map(([key, label]) => (
        <option key={key} value={key}>
          {label}
        </option>
      ))}
    </select>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly hint: string;
  readonly error: string | null;
  readonly value: string;
  readonly isRequired?: boolean;
  readonly onChange: (value: string) => void;
}

function NumberField({ label, hint, error, value, isRequired = false, onChange }: NumberFieldProps): ReactNode {
  return (
    <Field label={label} hint={hint} error={error}>
      {(ids) => (
        <input {...ids} type="number" min={0} step="any" required={isRequired} value={value} onChange={(event) => onChange(event.target.value)} />
      )}
    </Field>
  );
}
