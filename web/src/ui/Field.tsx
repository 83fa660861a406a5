import { type ReactNode, useId } from "react";

export interface FieldIds {
  readonly id: string;
  readonly "aria-describedby"?: string;
  readonly "aria-invalid"?: true;
}

interface FieldProps {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly error?: string | null;
  /** The control, which has to spread the attributes that it gets. */
  readonly children: (ids: FieldIds) => ReactNode;
}

/** A labeled control: `<Field label="Name">{(ids) => <input {...ids} />}</Field>`. */
export function Field({ label, hint, error, children }: FieldProps): ReactNode {
  const id = useId();
  const about = hint || error ? `${id}-about` : null;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, ...(about && { "aria-describedby": about }), ...(error && { "aria-invalid": true }) })}
      {about && (
        <p id={about} className={error ? "field-error" : "field-hint"} {...(error && { role: "alert" })}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}
