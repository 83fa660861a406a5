import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function PipelinesPage(): ReactNode {
  return (
    <Page title="Pipelines">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
