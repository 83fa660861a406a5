import type { ReactNode } from "react";
import { formatAge, formatTime } from "./format";

/** A date and a time, on one line where there is room for it. */
export function Time({ at }: { at: string }): ReactNode {
  return <time dateTime={at}>{formatTime(at)}</time>;
}

/** How long ago something was; a pointer on it shows the time itself. */
export function Age({ at }: { at: string }): ReactNode {
  return (
    <time dateTime={at} title={formatTime(at)}>
      {formatAge(at)}
    </time>
  );
}
