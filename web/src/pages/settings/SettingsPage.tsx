import type { ReactNode } from "react";
import { Page } from "../../ui/Page";
import { Tabs } from "../../ui/Tabs";
import { AccessTab } from "./AccessTab";
import { AuditTab } from "./AuditTab";
import { DataTab } from "./DataTab";
import { KeysTab } from "./KeysTab";
import { StopsTab } from "./StopsTab";
import { UsageTab } from "./UsageTab";
import "./settings.css";

/** The settings: usage and limits, keys, stops, the audit log, and data. */
export default function SettingsPage(): ReactNode {
  return (
    <Page title="Settings" about="Usage and limits, access, the audit log and stored data of your organization.">
      <Tabs
        label="Settings"
        tabs={[
          { id: "usage", label: "Usage", content: () => <UsageTab /> },
          { id: "keys", label: "API keys", content: () => <KeysTab /> },
          { id: "stops", label: "Stops", content: () => <StopsTab /> },
          { id: "access", label: "Sign-outs", content: () => <AccessTab /> },
          { id: "audit", label: "Audit log", content: () => <AuditTab /> },
          { id: "data", label: "Data", content: () => <DataTab /> },
        ]}
      />
    </Page>
  );
}
