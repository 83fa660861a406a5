import type { ReactNode } from "react";
import { formatAge, formatTime } from "./format";

/** A date and a time, on one line if there is room. */
export function Time({ at }: { at: string }): ReactNode {
  return <time dateTime={at}>{formatTime(at)}</time>;
}

/** A relative time, whose tooltip shows the absolute time. */
export function Age({ at }: { at: string }): ReactNode {
  return (
    <time dateTime={at} title={formatTime(at)}>
      {formatAge(at)}
    </time>
  );
}
