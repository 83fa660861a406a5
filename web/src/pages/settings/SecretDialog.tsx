import type { ReactNode } from "react";
import { CopyButton } from "../../ui/CopyButton";
import { Dialog } from "../../ui/Dialog";
import type { Secret } from "./KeysTab";

/** The only time that a secret is shown. */
export function SecretDialog({ secret, onClose }: { secret: Secret; onClose: () => void }): ReactNode {
  return (
    <Dialog
      title={`Secret of ${secret.name}`}
      description="Copy it now. Only a hash of it is stored, so it cannot be shown again."
      isOpen
      onClose={onClose}
      footer={
        <button type="button" className="button primary" onClick={onClose}>
          Done
        </button>
      }
    >
      <p className="secret">
        <code>{secret.secret}</code>
        <CopyButton text={secret.secret} label="Copy the secret" />
      </p>
    </Dialog>
  );
}
