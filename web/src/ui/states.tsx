import { type ReactNode, useEffect, useState } from "react";
import { NotFoundError } from "@millrace/client";
import { explain } from "../api/explain";
import { formatAge } from "./format";
import "./states.css";

/** There is nothing yet, and what to do about it. */
export function EmptyState(props: { title: string; children?: ReactNode; action?: ReactNode }): ReactNode {
  return (
    <div className="state">
      <p className="state-title">{props.title}</p>
      {props.children && <p>{props.children}</p>}
      {props.action}
    </div>
  );
}

/** What could not be loaded, why, and a way to try again; of what does not exist there is none. */
export function ErrorState(props: { error: unknown; onRetry?: () => void; title?: string }): ReactNode {
  if (isMissing(props.error)) {
    return <EmptyState title="There is nothing here.">It was deleted, it belongs to another organization, or the address is wrong.</EmptyState>;
  }
  return (
    <div className="state" role="alert">
      <p className="state-title">{props.title ?? "This cannot be loaded right now."}</p>
      <p>{explain(props.error)}</p>
      {props.onRetry && (
        <button type="button" className="button" onClick={props.onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Whether what was asked for does not exist, or not for this user. */
export function isMissing(error: unknown): error is NotFoundError {
  return error instanceof NotFoundError;
}

/** Grey lines in the place of what is being loaded. */
export function Loading({ lines = 3 }: { lines?: number }): ReactNode {
  return (
    <div className="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}

/** The parts of a react-query result that tell the four states apart. */
export interface Loadable<Data> {
  readonly data: Data | undefined;
  readonly error: unknown;
  readonly dataUpdatedAt: number;
  readonly refetch: () => unknown;
}

interface LoadedProps<Data> {
  readonly query: Loadable<Data>;
  readonly children: (data: Data) => ReactNode;
  readonly loading?: ReactNode;
}

/** Tells loading, error and stale apart: what was loaded stays when a refresh fails. */
export function Loaded<Data>({ query, children, loading }: LoadedProps<Data>): ReactNode {
  const { data, error, dataUpdatedAt, refetch } = query;
  if (data === undefined) {
    return error ? <ErrorState error={error} onRetry={() => void refetch()} /> : (loading ?? <Loading />);
  }
  return (
    <>
      {Boolean(error) && <Stale since={dataUpdatedAt} error={error} onRetry={() => void refetch()} />}
      {children(data)}
    </>
  );
}

/** A line above what is old because it could not be refreshed. `since`: milliseconds since 1970. */
export function Stale(props: { since: number; error: unknown; onRetry?: () => void }): ReactNode {
  const now = useNow(30_000);
  return (
    <p className="stale" role="status">
      <span>
        Not up to date (from {formatAge(props.since, now)}): {explain(props.error)}
      </span>
      {props.onRetry && (
        <button type="button" className="quiet" onClick={props.onRetry}>
          Refresh
        </button>
      )}
    </p>
  );
}

/** The time, renewed every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
