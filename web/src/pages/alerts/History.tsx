import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { formatDuration, orDash } from "../../ui/format";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { usePages } from "../../ui/usePages";
import { METRICS, type Rule } from "./model";

type Past = Schemas["PastAlert"];

/** The alerts that a rule had in the last 31 days. */
export function History({ rule, onClose }: { rule: Rule; onClose: () => void }): ReactNode {
  const api = useAdministration();
  const { format } = METRICS[rule.metric];
  const pages = usePages<Past>({
    queryKey: ["alerts", rule.id, "history"],
    fetchPage: (cursor, signal) => api.alerts.history(rule.id, { cursor, limit: 30, signal }),
    refetchInterval: 10_000,
  });
  const columns: Column<Past>[] = [
    { key: "triggered", header: "Triggered", cell: ({ triggeredAt }) => (triggeredAt ? <Time at={triggeredAt} /> : "–") },
    { key: "value", header: "Value", cell: ({ triggeredValue }) => orDash(triggeredValue, format), align: "right" },
    { key: "threshold", header: "Threshold", cell: ({ threshold }) => format(threshold), align: "right" },
    { key: "lasted", header: "Lasted", cell: lasted, align: "right" },
    { key: "resolved", header: "Resolved", cell: ({ resolvedAt }) => (resolvedAt ? <Time at={resolvedAt} /> : "–"), align: "right" },
  ];
  return (
    <Dialog title={`History of ${rule.name}`} isOpen isWide onClose={onClose}>
      <PagedTable
        caption="Alerts, the newest first"
        columns={columns}
        pages={pages}
        rowKey={({ id }) => id}
        empty={<EmptyState title="Not triggered in the last 31 days." />}
      />
    </Dialog>
  );
}

function lasted({ triggeredAt, resolvedAt }: Past): string {
  if (!triggeredAt) return "–";
  return resolvedAt ? formatDuration(Date.parse(resolvedAt) - Date.parse(triggeredAt)) : "ongoing";
}
