import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function AlertsPage(): ReactNode {
  return (
    <Page title="Alerts">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
