import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import { CHANGES } from "./Exports";

/** Requests an export of a user or of the organization. */
export function NewExport({ onClose }: { onClose: () => void }): ReactNode {
  const api = useAdministration();
  const [isAll, setAll] = useState(false);
  const [name, setName] = useState("");
  return (
    <FormDialog
      title="Export"
      description="Everything that is stored, as zip archives: one JSON Lines file for each kind of record, and the files attached to messages. The values of secrets are not included."
      action="Export"
      isReady={name.trim() !== ""}
      run={() => api.exports.create(isAll ? { organization: name.trim() } : { userId: name.trim() })}
      success="Export started."
      changes={CHANGES}
      onClose={onClose}
    >
      <label className="check">
        <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.target.checked)} />
        Everything in the organization
      </label>
      <Field
        label={isAll ? "Organization" : "User"}
        hint={isAll ? "The name of your organization, as in your token." : "The user id that runs and the audit log show (the sub claim of the token)."}
      >
        {(ids) => <input {...ids} required maxLength={255} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
