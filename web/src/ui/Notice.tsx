import type { ReactNode } from "react";

/** A line above the composer, with actions. */
export function Notice(props: { text: string; action?: string; onAction?: () => void }): ReactNode {
  return (
    <p className="line" role="status">
      <span>{props.text}</span>
      {props.action && (
        <button type="button" className="quiet" onClick={props.onAction}>
          {props.action}
        </button>
      )}
    </p>
  );
}
