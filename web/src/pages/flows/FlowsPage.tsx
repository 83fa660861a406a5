import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function FlowsPage(): ReactNode {
  return (
    <Page title="Flows">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
