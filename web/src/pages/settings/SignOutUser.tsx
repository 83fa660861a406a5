import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import { CHANGES } from "./AccessTab";

/** Revokes the tokens of a user, or of everybody in the organization. */
export function SignOutUser({ onClose }: { onClose: () => void }): ReactNode {
  const api = useAdministration();
  const [userId, setUserId] = useState("");
  const [isAll, setAll] = useState(false);
  return (
    <FormDialog
      title="Sign out others"
      description="Tokens issued so far stop working, and open streams end. Disable the account at your identity provider first: otherwise the user can simply sign in again."
      action={isAll ? "Sign out everybody" : "Sign out the user"}
      isDangerous
      isReady={isAll || userId.trim() !== ""}
      run={() => api.revocations.create(isAll ? { everybody: true } : { userId: userId.trim() })}
      success={isAll ? "Everybody will be signed out within five seconds." : "The user will be signed out within five seconds."}
      changes={CHANGES}
      onClose={onClose}
    >
      <label className="check">
        <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.target.checked)} />
        Everybody in the organization, including you
      </label>
      {!isAll && (
        <Field label="User" hint="The user id that runs and the audit log show (the sub claim of the token).">
          {(ids) => <input {...ids} required maxLength={255} value={userId} onChange={(event) => setUserId(event.target.value)} />}
        </Field>
      )}
    </FormDialog>
  );
}
