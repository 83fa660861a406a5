import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import type { Secret } from "./KeysTab";
import { SCOPES } from "./scopes";

interface NewKeyProps {
  readonly changes: readonly (readonly unknown[])[];
  readonly onDone: (secret: Secret) => void;
  readonly onClose: () => void;
}

/** Creates a key with the fewest scopes that it needs. */
export function NewKey({ changes, onDone, onClose }: NewKeyProps): ReactNode {
  const api = useAdministration();
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [scopes, setScopes] = useState<readonly string[]>(["chat"]);
  const flip = (scope: string, isOn: boolean) =>
    setScopes((before) => (isOn ? [...before, scope] : before.filter((one) => one !== scope)));
  return (
    <FormDialog
      title="New API key"
      description="The secret is shown only once, after you create the key."
      action="Create"
      isReady={name.trim() !== "" && scopes.length > 0}
      run={() => api.keys.create({ name: name.trim(), scopes: [...scopes], days: Number(days) })}
      changes={changes}
      onDone={onDone}
      onClose={onClose}
    >
      <Field label="Name" hint="Who will use it: a server, a job, a partner.">
        {(ids) => <input {...ids} required maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <fieldset className="plain">
        <legend>Scopes</legend>
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
      <Field label="Days" hint="The key expires after 1 to 365 days.">
        {(ids) => <input {...ids} type="number" min={1} max={365} required value={days} onChange={(event) => setDays(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
