import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { Tabs } from "../../ui/Tabs";
import { KeysTab } from "./KeysTab";
import { StopsTab } from "./StopsTab";
import { UsageTab } from "./UsageTab";
import "./settings.css";

/** What an organization uses and may use, its keys, and what is stopped. */
export default function SettingsPage(): ReactNode {
  return (
    <Page title="Settings" about="Usage and limits, keys for servers, and stops">
      <Tabs
        label="Settings"
        tabs={[
          { id: "usage", label: "Usage", content: () => <UsageTab /> },
          { id: "keys", label: "API keys", content: () => <KeysTab /> },
          { id: "stops", label: "Stops", content: () => <StopsTab /> },
        ]}
      />
    </Page>
  );
}
