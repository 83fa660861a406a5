import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Page } from "../ui/Page";
import { EmptyState, ErrorState } from "../ui/states";

/** Shown instead of a page that threw an error. The rail and the other pages keep working. */
export function BrokenPage({ error, reset }: ErrorComponentProps): ReactNode {
  return (
    <Page title="This page failed">
      <ErrorState title="Something went wrong on this page." error={error} onRetry={() => retry(error, reset)} />
    </Page>
  );
}

/** After a deployment, the files of the old page no longer exist: only a reload finds the new ones. */
function retry(error: unknown, reset: () => void): void {
  if (String(error).includes("dynamically imported module")) location.reload();
  else reset();
}

export function NoSuchPage(): ReactNode {
  return (
    <Page title="No such page">
      <EmptyState
        title="There is nothing at this address."
        action={
          <Link to="/chat" className="button">
            Go to the chat
          </Link>
        }
      />
    </Page>
  );
}
