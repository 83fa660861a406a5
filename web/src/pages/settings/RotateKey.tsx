import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { explain } from "../../api/explain";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import type { ApiKey, Secret } from "./KeysTab";

interface RotateKeyProps {
  readonly apiKey: ApiKey;
  readonly changes: readonly (readonly unknown[])[];
  readonly onDone: (secret: Secret) => void;
  readonly onClose: () => void;
}

/** Gives a key another secret; the present one stays valid until whoever uses it has the new one. */
export function RotateKey({ apiKey, changes, onDone, onClose }: RotateKeyProps): ReactNode {
  const api = useAdministration();
  const queries = useQueryClient();
  const formId = useId();
  const [hours, setHours] = useState("24");
  const [keep, setKeep] = useState<"latest" | "previous">("latest");
  const hasTwo = apiKey.previousStart !== null;
  const rotate = useMutation({
    mutationFn: () => api.keys.rotate(apiKey.id, { overlapHours: Number(hours), ...(hasTwo && { keep }) }),
    onSuccess: (made) => {
      for (const queryKey of changes) void queries.invalidateQueries({ queryKey });
      onDone(made);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    rotate.mutate();
  };
  return (
    <Dialog
      title={`Rotate ${apiKey.name}`}
      description="It gets a new secret. The present one stays valid for a while, so that nothing fails."
      isOpen
      onClose={onClose}
      footer={
        <button type="submit" form={formId} className="button primary" disabled={rotate.isPending}>
          Rotate
        </button>
      }
    >
      <form id={formId} className="stack" onSubmit={submit}>
        <Field label="Hours" hint="How long the present secret is still valid: 0 to 168.">
          {(ids) => (
            <input {...ids} type="number" min={0} max={168} required value={hours} onChange={(event) => setHours(event.target.value)} />
          )}
        </Field>
        {hasTwo && (
          <Field label="Two secrets are valid; the one that stays">
            {(ids) => (
              <select {...ids} value={keep} onChange={(event) => setKeep(event.target.value as typeof keep)}>
                <option value="latest">{apiKey.start}… (the latest)</option>
                <option value="previous">{apiKey.previousStart}… (the one before)</option>
              </select>
            )}
          </Field>
        )}
        {rotate.error && (
          <p className="field-error" role="alert">
            {explain(rotate.error)}
          </p>
        )}
      </form>
    </Dialog>
  );
}
