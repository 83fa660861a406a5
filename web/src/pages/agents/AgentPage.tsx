import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function AgentPage(): ReactNode {
  return (
    <Page title="Agent">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
