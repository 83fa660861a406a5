import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import { CHANGES } from "./Exports";

/** Asks for an export of a user, or of the organization. */
export function NewExport({ onClose }: { onClose: () => void }): ReactNode {
  const api = useAdministration();
  const [isAll, setAll] = useState(false);
  const [name, setName] = useState("");
  return (
    <FormDialog
      title="Export"
      description="Everything that is kept, as zip archives with a file of JSON Lines per kind, and the files of messages. Values of secrets are left out."
      action="Export"
      isReady={name.trim() !== ""}
      run={() => api.exports.create(isAll ? { organization: name.trim() } : { userId: name.trim() })}
      success="The export has begun."
      changes={CHANGES}
      onClose={onClose}
    >
      <label className="check">
        <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.target.checked)} />
        Everything of the organization
      </label>
      <Field
        label={isAll ? "Organization" : "User"}
        hint={isAll ? "Its name, as your token has it." : "The id that runs and the audit log show: the sub of the token."}
      >
        {(ids) => <input {...ids} required maxLength={255} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
