import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { EmptyState } from "../../ui/states";

export default function LivePage(): ReactNode {
  return (
    <Page title="Live">
      <EmptyState title="Nothing here yet." />
    </Page>
  );
}
