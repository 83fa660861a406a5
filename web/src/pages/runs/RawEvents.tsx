import { type ReactNode, useState } from "react";
import { formatDuration } from "../../ui/format";
import type { Timed } from "./timeline";

const PAGE = 100;

/** Every logged event, with its time since the start. */
export function RawEvents({ events, start }: { events: readonly Timed[]; start: number }): ReactNode {
  const [count, setCount] = useState(PAGE);
  const [isOpen, setOpen] = useState(false);
  if (!isOpen) {
    return (
      <button type="button" className="button raw-open" onClick={() => setOpen(true)}>
        Show {events.length} events
      </button>
    );
  }
  return (
    <>
      <ol className="raw card" tabIndex={0} aria-label="Raw events">
        {events.slice(0, count).map(({ id, at, event }) => (
          <li key={id}>
            <span className="muted numeric">{formatDuration(Math.max(0, at - start))}</span>
            <code>{JSON.stringify(event)}</code>
          </li>
        ))}
      </ol>
      {count < events.length && (
        <button type="button" className="button more" onClick={() => setCount(count + PAGE)}>
          Show more
        </button>
      )}
    </>
  );
}
