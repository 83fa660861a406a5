import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function RunsPage(): ReactNode {
  return (
    <Page title="Runs">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
