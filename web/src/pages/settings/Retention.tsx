import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { Field } from "../../ui/Field";
import { Section } from "../../ui/Page";
import { useAction } from "../../ui/useAction";
import { Permitted } from "./Permitted";

const MOST_DAYS = 3650;

/** The number of days for which conversations are kept after their latest run. */
export function Retention(): ReactNode {
  const api = useAdministration();
  const query = useQuery({ queryKey: ["retention"], queryFn: ({ signal }) => api.retention.get({ signal }) });
  return (
    <Section title="Retention">
      <Permitted query={query} what="Retention and erasure">
        {({ conversationDays }) => <RetentionForm days={conversationDays} />}
      </Permitted>
    </Section>
  );
}

function RetentionForm({ days }: { days: number | null }): ReactNode {
  const api = useAdministration();
  const confirm = useConfirm();
  const queries = useQueryClient();
  const stored = days === null ? "" : String(days);
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? stored;
  const wanted = text.trim() === "" ? null : Number(text);
  const save = useAction({
    run: () => api.retention.set({ conversationDays: wanted }),
    failure: "The retention was not changed",
    success: wanted === null ? "Conversations are kept forever." : `Conversations are kept for ${wanted} days.`,
    changes: [],
    onDone: (saved) => {
      queries.setQueryData(["retention"], saved);
      setTyped(null);
    },
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (wanted === null || (days !== null && wanted > days) || (await confirm(consequenceOf(wanted)))) save.run();
  };
  return (
    <form className="stack retention" aria-label="Retention" onSubmit={(event) => void submit(event)}>
      <Field label="Days" hint="Conversations that have had no run for this many days are deleted, with their messages, runs and files. Leave empty to keep them forever.">
        {(ids) => (
          <input {...ids} type="number" min={1} max={MOST_DAYS} placeholder="Forever" value={text} onChange={(event) => setTyped(event.target.value)} />
        )}
      </Field>
      <div className="buttons">
        <button type="submit" className="button primary" disabled={wanted === days || save.isRunning}>
          Save
        </button>
      </div>
    </form>
  );
}

function consequenceOf(days: number) {
  return {
    title: `Keep conversations for ${days} days?`,
    text: `Conversations that have had no run for ${days} days are deleted, with their messages, runs and files, starting within a minute. This cannot be undone.`,
    action: "Keep and delete",
    isDangerous: true,
  };
}
