import { createContext, type ReactNode, useCallback, useContext, useState } from "react";
import { Dialog } from "./Dialog";

export interface Confirmation {
  readonly title: string;
  readonly text?: string;
  /** The verb of the button. */
  readonly action: string;
  readonly isDangerous?: boolean;
}

type Ask = (confirmation: Confirmation) => Promise<boolean>;

const ConfirmContext = createContext<Ask>(() => Promise.resolve(false));

/** Asks for confirmation before something that cannot be undone: `if (await confirm({...})) ...`. */
export function useConfirm(): Ask {
  return useContext(ConfirmContext);
}

interface Pending extends Confirmation {
  readonly resolve: (isConfirmed: boolean) => void;
}

export function ConfirmProvider({ children }: { children: ReactNode }): ReactNode {
  const [pending, setPending] = useState<Pending | null>(null);
  const ask = useCallback<Ask>(
    (confirmation) => new Promise((resolve) => setPending({ ...confirmation, resolve })),
    [],
  );
  const close = (isConfirmed: boolean) => {
    pending?.resolve(isConfirmed);
    setPending(null);
  };
  return (
    <ConfirmContext.Provider value={ask}>
      {children}
      {pending && <ConfirmDialog confirmation={pending} onClose={close} />}
    </ConfirmContext.Provider>
  );
}

interface ConfirmDialogProps {
  readonly confirmation: Confirmation;
  readonly onClose: (isConfirmed: boolean) => void;
}

function ConfirmDialog({ confirmation, onClose }: ConfirmDialogProps): ReactNode {
  const { title, text, action, isDangerous } = confirmation;
  return (
    <Dialog
      title={title}
      description={text}
      isOpen
      onClose={() => onClose(false)}
      footer={
        <>
          <button type="button" className="button" onClick={() => onClose(false)}>
            Cancel
          </button>
          <button type="button" className={`button ${isDangerous ? "dangerous" : "primary"}`} onClick={() => onClose(true)}>
            {action}
          </button>
        </>
      }
    />
  );
}
