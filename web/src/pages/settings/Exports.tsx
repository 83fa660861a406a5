import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Badge } from "../../ui/Badge";
import { useConfirm } from "../../ui/Confirm";
import { formatBytes, formatNumber } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { Menu } from "../../ui/Menu";
import { Section } from "../../ui/Page";
import { EmptyState, isRefused, Loaded } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useAction } from "../../ui/useAction";
import { ExportParts } from "./ExportParts";
import { NewExport } from "./NewExport";

export type Export = Schemas["ExportView"];

export const CHANGES = [["exports"]];
const REFRESH_MS = 3000;

/** Exports of all data of a user or of the organization. */
export function Exports(): ReactNode {
  const api = useAdministration();
  const [isAsking, setAsking] = useState(false);
  const [opened, setOpened] = useState<Export | null>(null);
  const query = useQuery({ queryKey: ["exports"], queryFn: ({ signal }) => api.exports.list({ signal }), refetchInterval: REFRESH_MS });
  // "Retention" above has already shown this error.
  if (isRefused(query.error)) return null;
  const create = (
    <button type="button" className="button" onClick={() => setAsking(true)}>
      <Icon name="down" /> Export…
    </button>
  );
  return (
    <Section title="Exports" actions={query.data && create}>
      <Loaded query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="No exports yet.">
              An export contains everything that is stored about a user, or the whole organization, as zip archives. It continues even if you close this page, and can be downloaded for seven days.
            </EmptyState>
          ) : (
            <Table caption="Exports, the latest first" columns={columnsOf(setOpened)} rows={items} rowKey={({ id }) => id} />
          )
        }
      </Loaded>
      {isAsking && <NewExport onClose={() => setAsking(false)} />}
      {opened && <ExportParts one={opened} onClose={() => setOpened(null)} />}
    </Section>
  );
}

function columnsOf(onOpen: (one: Export) => void): readonly Column<Export>[] {
  return [
    { key: "of", header: "Subject", cell: ({ userId }) => userId ?? "The organization" },
    { key: "state", header: "State", cell: (one) => <Progress one={one} /> },
    { key: "items", header: "Records", align: "right", cell: ({ items }) => formatNumber(items) },
    { key: "size", header: "Size", align: "right", cell: ({ size }) => formatBytes(size) },
    { key: "begun", header: "Started", cell: ({ createdAt }) => <Time at={createdAt} /> },
    { key: "until", header: "Available until", cell: ({ expiresAt }) => <Time at={expiresAt} /> },
    { key: "act", header: "Actions", align: "right", cell: (one) => <Actions one={one} onOpen={() => onOpen(one)} /> },
  ];
}

function Progress({ one: { state, step } }: { one: Export }): ReactNode {
  if (state === "done") return <Badge tone="good">done</Badge>;
  return (
    <>
      <Badge tone="active">running</Badge> <span className="muted">{step}</span>
    </>
  );
}

function Actions({ one, onOpen }: { one: Export; onOpen: () => void }): ReactNode {
  const api = useAdministration();
  const confirm = useConfirm();
  const isDone = one.state === "done";
  const drop = useAction({
    run: () => api.exports.delete(one.id),
    failure: isDone ? "The export was not deleted" : "The export was not canceled",
    success: isDone ? "Export deleted." : "Export canceled.",
    changes: CHANGES,
  });
  const ask = async () => {
    const title = isDone ? "Delete the export?" : "Cancel the export?";
    const text = "Its archives are deleted within two minutes. The exported data itself is not touched.";
    if (await confirm({ title, text, action: isDone ? "Delete" : "Cancel the export", isDangerous: true })) drop.run();
  };
  return (
    <Menu
      label={`Actions for the export of ${one.userId ?? "the organization"}`}
      icon="more"
      items={[
        { label: "Download…", icon: "down", isDisabled: one.parts === 0, onSelect: onOpen },
        { label: isDone ? "Delete" : "Cancel", icon: "trash", isDangerous: true, onSelect: () => void ask() },
      ]}
    />
  );
}
