import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useRef } from "react";
import { explain } from "../api/explain";
import { Dialog } from "./Dialog";
import { toast } from "./toast";

interface FormDialogProps<Result> {
  readonly title: string;
  readonly description?: ReactNode;
  readonly isWide?: boolean;
  /** The verb of the button that sends the form. */
  readonly action: string;
  readonly isDangerous?: boolean;
  /** Whether the form is complete enough to be sent. */
  readonly isReady?: boolean;
  readonly run: () => Promise<Result>;
  readonly success?: string;
  /** The query keys that have to be reloaded afterwards. */
  readonly changes: readonly (readonly unknown[])[];
  /** Called after the dialog was closed. */
  readonly onDone?: (result: Result) => void;
  readonly onClose: () => void;
  /** The fields. If they are a function, they show the refusal instead of the dialog. */
  readonly children: ReactNode | ((error: unknown) => ReactNode);
}

/** A form in a dialog. It closes when the server has accepted it; a refusal is shown below the fields. */
export function FormDialog<Result>(props: FormDialogProps<Result>): ReactNode {
  const { title, description, isWide = false, action, isDangerous = false, isReady = true, onClose, children } = props;
  const formId = useId();
  const form = useRef<HTMLFormElement>(null);
  const { mutate, isPending, error } = useSending(props);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isReady && !isPending) mutate();
  };
  return (
    <Dialog
      title={title}
      description={description}
      isOpen
      isWide={isWide}
      onClose={onClose}
      firstFocus={() => form.current?.querySelector<HTMLElement>("input, select, textarea, [contenteditable=true]")}
      footer={
        <>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form={formId} className={`button ${isDangerous ? "dangerous" : "primary"}`} disabled={!isReady || isPending}>
            {action}
          </button>
        </>
      }
    >
      <form ref={form} id={formId} className={isWide ? "split" : "stack"} autoComplete="off" onSubmit={submit}>
        {typeof children === "function" ? children(error) : children}
        {error && typeof children !== "function" && (
          <p className="field-error" role="alert">
            {explain(error)}
          </p>
        )}
      </form>
    </Dialog>
  );
}

function useSending<Result>({ run, success, changes, onDone, onClose }: FormDialogProps<Result>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: run,
    onSuccess: async (result) => {
      if (success) toast.success(success);
      onClose();
      onDone?.(result);
      await Promise.all(changes.map((queryKey) => queries.invalidateQueries({ queryKey })));
    },
  });
}
