import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function PipelinePage(): ReactNode {
  return (
    <Page title="Pipeline">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
