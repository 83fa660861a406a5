import { PermissionDeniedError } from "@millrace/client";
import type { ReactNode } from "react";
import { EmptyState, Loaded, type Loadable } from "../../ui/states";

interface PermittedProps<Data> {
  readonly query: Loadable<Data>;
  /** What only some may see: "API keys". */
  readonly what: string;
  readonly children: (data: Data) => ReactNode;
}

/** As `Loaded`; whoever may not see it is told who may, which is no fault. */
export function Permitted<Data>({ query, what, children }: PermittedProps<Data>): ReactNode {
  const { error, data } = query;
  if (data === undefined && isRefused(error)) return <EmptyState title={`${what} are for admins.`}>{error.message}</EmptyState>;
  return <Loaded query={query}>{children}</Loaded>;
}

export function isRefused(error: unknown): error is PermissionDeniedError {
  return error instanceof PermissionDeniedError;
}
