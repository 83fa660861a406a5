import { type ReactNode, useEffect, useState } from "react";
import { NotFoundError, PermissionDeniedError } from "@millrace/client";
import { explain } from "../api/explain";
import { formatAge } from "./format";
import "./states.css";

/** Shows that there is nothing yet, and what to do about it. */
export function EmptyState(props: { title: string; children?: ReactNode; action?: ReactNode }): ReactNode {
  return (
    <div className="state">
      <p className="state-title">{props.title}</p>
      {props.children && <p>{props.children}</p>}
      {props.action}
    </div>
  );
}

/** Shows what could not be loaded and why, with a way to try again where that can help. */
export function ErrorState(props: { error: unknown; onRetry?: () => void; title?: string }): ReactNode {
  if (isMissing(props.error)) {
    return <EmptyState title="There is nothing here.">It was deleted, it belongs to another organization, or the address is wrong.</EmptyState>;
  }
  if (isRefused(props.error)) return <EmptyState title="Your role cannot see this.">{props.error.message}</EmptyState>;
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

/** Whether the user's role does not allow the request. */
export function isRefused(error: unknown): error is PermissionDeniedError {
  return error instanceof PermissionDeniedError;
}

/** Whether the requested resource does not exist, at least for this user. */
export function isMissing(error: unknown): error is NotFoundError {
  return error instanceof NotFoundError;
}

/** Gray lines in place of content that is being loaded. */
export function Loading({ lines = 3 }: { lines?: number }): ReactNode {
  return (
    <div className="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}

/** The parts of a react-query result that distinguish the four states. */
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

/** Distinguishes loading, error and stale. Loaded content stays if a refresh fails. */
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

/** A line above content that could not be refreshed. `since` is in milliseconds since 1970. */
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

/** Returns the time, updated every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
