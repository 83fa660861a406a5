import type { Schemas } from "@millrace/client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { explain } from "../../api/explain";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { toast } from "../../ui/toast";

type Limits = Schemas["AllLimits"];
type Level = keyof Limits;
type Draft = Readonly<Record<string, string>>;

const LEVELS: readonly { readonly level: Level; readonly label: string }[] = [
  { level: "organization", label: "The whole organization" },
  { level: "user", label: "Each user" },
  { level: "agent", label: "Each agent" },
];
const NAMES: Readonly<Record<string, string>> = {
  tokensPerDay: "Tokens per day",
  costPerDay: "US dollars per day",
  requestsPerMinute: "Requests per minute",
  concurrentRuns: "Concurrent runs",
  conversations: "Conversations",
  agents: "Agents",
  secrets: "Secrets",
  storageBytes: "File storage in bytes",
};

/** The limits by level. An empty field means no limit. */
export function LimitsForm({ limits }: { limits: Limits }): ReactNode {
  const api = useAdministration();
  const queries = useQueryClient();
  const stored = draftOf(limits);
  const [typed, setTyped] = useState<Draft>({});
  const draft = { ...stored, ...typed };
  const isChanged = Object.keys(draft).some((name) => draft[name] !== stored[name]);
  const save = useMutation({
    mutationFn: () => api.limits.change(changesOf(draft, stored)),
    onSuccess: async () => {
      toast.success("Limits saved.");
      await Promise.all([["limits"], ["usage"]].map((queryKey) => queries.invalidateQueries({ queryKey })));
      setTyped({});
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className="stack" aria-label="Limits" onSubmit={submit}>
      <div className="limits">
        {LEVELS.map(({ level, label }) => (
          <fieldset key={level} className="card stack">
            <legend>{label}</legend>
            {namesOf(limits, level).map((name) => (
              <Field key={name} label={NAMES[name] ?? name}>
                {(ids) => (
                  <input
                    {...ids}
                    inputMode="decimal"
                    pattern="[0-9]+(\.[0-9]+)?"
                    placeholder="No limit"
                    value={draft[`${level}.${name}`] ?? ""}
                    onChange={(event) => setTyped({ ...typed, [`${level}.${name}`]: event.target.value })}
                  />
                )}
              </Field>
            ))}
          </fieldset>
        ))}
      </div>
      {save.error && (
        <p className="field-error" role="alert">
          {explain(save.error)}
        </p>
      )}
      <div className="buttons">
        <button type="submit" className="button primary" disabled={!isChanged || save.isPending}>
          Save
        </button>
        {isChanged && (
          <button type="button" className="button" onClick={() => setTyped({})}>
            Discard changes
          </button>
        )}
      </div>
    </form>
  );
}

/** The limits that the server knows, including ones that are newer than this page. */
function namesOf(limits: Limits, level: Level): readonly string[] {
  return Object.keys(limits[level] ?? {});
}

function draftOf(limits: Limits): Draft {
  const entries = LEVELS.flatMap(({ level }) =>
    Object.entries(limits[level] ?? {}).map(([name, value]) => [`${level}.${name}`, value === null ? "" : String(value)]),
  );
  return Object.fromEntries(entries) as Draft;
}

/** Only the changed limits, because others may change different ones at the same time. */
function changesOf(draft: Draft, stored: Draft): Schemas["LimitChanges"] {
  const changes: Record<string, Record<string, number | null>> = {};
  for (const [key, text] of Object.entries(draft)) {
    const [level = "", name = ""] = key.split(".");
    if (text === stored[key]) continue;
    changes[level] = { ...changes[level], [name]: text.trim() === "" ? null : Number(text) };
  }
  return changes;
}
