import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function RunPage(): ReactNode {
  return (
    <Page title="Run">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
