import { type FormEvent, type ReactNode, useId, useState } from "react";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { useAction } from "../../ui/useAction";
import { CHANGES } from "./AccessTab";

/** Revokes the tokens of a user, or of everybody in the organization. */
export function SignOutUser({ onClose }: { onClose: () => void }): ReactNode {
  const api = useAdministration();
  const formId = useId();
  const [userId, setUserId] = useState("");
  const [isAll, setAll] = useState(false);
  const revoke = useAction({
    run: () => api.revocations.create(isAll ? { everybody: true } : { userId: userId.trim() }),
    failure: "Nobody was signed out",
    success: isAll ? "Everybody is signed out within five seconds." : "The user is signed out within five seconds.",
    changes: CHANGES,
    onDone: onClose,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    revoke.run();
  };
  return (
    <Dialog
      title="Sign out others"
      description="Tokens issued until now are refused, and open streams end. Whoever may still sign in at your identity provider can come back: disable the account there first."
      isOpen
      onClose={onClose}
      footer={
        <>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form={formId} className="button dangerous" disabled={(!isAll && userId.trim() === "") || revoke.isRunning}>
            {isAll ? "Sign out everybody" : "Sign out the user"}
          </button>
        </>
      }
    >
      <form id={formId} className="stack" onSubmit={submit}>
        <label className="check">
          <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.target.checked)} />
          Everybody in the organization, you included
        </label>
        {!isAll && (
          <Field label="User" hint="The id that runs and the audit log show: the sub of the token.">
            {(ids) => <input {...ids} required maxLength={255} value={userId} onChange={(event) => setUserId(event.target.value)} />}
          </Field>
        )}
      </form>
    </Dialog>
  );
}
