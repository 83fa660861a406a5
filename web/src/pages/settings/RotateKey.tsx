import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import type { ApiKey, Secret } from "./KeysTab";

interface RotateKeyProps {
  readonly apiKey: ApiKey;
  readonly changes: readonly (readonly unknown[])[];
  readonly onDone: (secret: Secret) => void;
  readonly onClose: () => void;
}

/** Rotates a key. The current secret stays valid for a while, so that its users can switch. */
export function RotateKey({ apiKey, changes, onDone, onClose }: RotateKeyProps): ReactNode {
  const api = useAdministration();
  const [hours, setHours] = useState("24");
  const [keep, setKeep] = useState<"latest" | "previous">("latest");
  const hasTwo = apiKey.previousStart !== null;
  return (
    <FormDialog
      title={`Rotate ${apiKey.name}`}
      description="The key gets a new secret. The current one stays valid for a while, so that nothing fails."
      action="Rotate"
      run={() => api.keys.rotate(apiKey.id, { overlapHours: Number(hours), ...(hasTwo && { keep }) })}
      changes={changes}
      onDone={onDone}
      onClose={onClose}
    >
      <Field label="Hours" hint="How long the current secret stays valid: 0 to 168.">
        {(ids) => <input {...ids} type="number" min={0} max={168} required value={hours} onChange={(event) => setHours(event.target.value)} />}
      </Field>
      {hasTwo && (
        <Field label="Two secrets are valid. Keep">
          {(ids) => (
            <select {...ids} value={keep} onChange={(event) => setKeep(event.target.value as typeof keep)}>
              <option value="latest">{apiKey.start}… (the latest)</option>
              <option value="previous">{apiKey.previousStart}… (the one before)</option>
            </select>
          )}
        </Field>
      )}
    </FormDialog>
  );
}
