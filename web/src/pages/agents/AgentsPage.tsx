import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function AgentsPage(): ReactNode {
  return (
    <Page title="Agents">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
