import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function FlowPage(): ReactNode {
  return (
    <Page title="Flow">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
