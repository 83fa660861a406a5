import type { ReactNode } from "react";

/** One calm line above the box, with what can be done about it. */
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
