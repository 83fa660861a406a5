import type { ReactNode } from "react";
import { EmptyState, isRefused, Loaded, type Loadable } from "../../ui/states";

interface PermittedProps<Data> {
  readonly query: Loadable<Data>;
  /** The name of the restricted content: "API keys". */
  readonly what: string;
  readonly children: (data: Data) => ReactNode;
}

/** Like `Loaded`. Users without access are told who has it, instead of an error. */
export function Permitted<Data>({ query, what, children }: PermittedProps<Data>): ReactNode {
  const { error, data } = query;
  if (data === undefined && isRefused(error)) return <EmptyState title={`${what} are for admins.`}>{error.message}</EmptyState>;
  return <Loaded query={query}>{children}</Loaded>;
}
