import { type FormEvent, type ReactNode, useId, useState } from "react";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { useAction } from "../../ui/useAction";
import { CHANGES } from "./Exports";

/** Asks for an export of a user, or of the organization. */
export function NewExport({ onClose }: { onClose: () => void }): ReactNode {
  const api = useAdministration();
  const formId = useId();
  const [isAll, setAll] = useState(false);
  const [name, setName] = useState("");
  const begin = useAction({
    run: () => api.exports.create(isAll ? { organization: name.trim() } : { userId: name.trim() }),
    failure: "The export was not begun",
    success: "The export has begun.",
    changes: CHANGES,
    onDone: onClose,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    begin.run();
  };
  return (
    <Dialog
      title="Export"
      description="Everything that is kept, as zip archives with a file of JSON Lines per kind, and the files of messages. Values of secrets are left out."
      isOpen
      onClose={onClose}
      footer={
        <>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form={formId} className="button primary" disabled={name.trim() === "" || begin.isRunning}>
            Export
          </button>
        </>
      }
    >
      <form id={formId} className="stack" onSubmit={submit}>
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
      </form>
    </Dialog>
  );
}
