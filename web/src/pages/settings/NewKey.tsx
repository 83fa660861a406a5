import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { explain } from "../../api/explain";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import type { Secret } from "./KeysTab";
import { SCOPES } from "./scopes";

interface NewKeyProps {
  readonly changes: readonly (readonly unknown[])[];
  readonly onDone: (secret: Secret) => void;
  readonly onClose: () => void;
}

/** Makes a key with the least that it needs. */
export function NewKey({ changes, onDone, onClose }: NewKeyProps): ReactNode {
  const api = useAdministration();
  const queries = useQueryClient();
  const formId = useId();
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [scopes, setScopes] = useState<readonly string[]>(["chat"]);
  const create = useMutation({
    mutationFn: () => api.keys.create({ name: name.trim(), scopes: [...scopes], days: Number(days) }),
    onSuccess: (made) => {
      for (const queryKey of changes) void queries.invalidateQueries({ queryKey });
      onDone(made);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  const flip = (scope: string, isOn: boolean) =>
    setScopes((before) => (isOn ? [...before, scope] : before.filter((one) => one !== scope)));
  return (
    <Dialog
      title="New API key"
      description="Its secret is shown once, after this."
      isOpen
      onClose={onClose}
      footer={
        <button type="submit" form={formId} className="button primary" disabled={create.isPending || !name.trim() || scopes.length === 0}>
          Create
        </button>
      }
    >
      <form id={formId} className="stack" onSubmit={submit}>
        <Field label="Name" hint="Who uses it: a server, a job, a partner.">
          {(ids) => <input {...ids} required maxLength={100} autoFocus value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
        <fieldset className="plain">
          <legend>It may</legend>
          <ul className="scopes">
            {SCOPES.map((scope) => (
              <li key={scope.name}>
                <label>
                  <input
                    type="checkbox"
                    checked={scopes.includes(scope.name)}
                    onChange={(event) => flip(scope.name, event.target.checked)}
                  />
                  <span>
                    <code>{scope.name}</code> <span className="muted">{scope.about}</span>
                  </span>
                </label>
              </li>
            ))}
          </ul>
        </fieldset>
        <Field label="Days" hint="1 to 365, after which it expires.">
          {(ids) => (
            <input {...ids} type="number" min={1} max={365} required value={days} onChange={(event) => setDays(event.target.value)} />
          )}
        </Field>
        {create.error && (
          <p className="field-error" role="alert">
            {explain(create.error)}
          </p>
        )}
      </form>
    </Dialog>
  );
}
