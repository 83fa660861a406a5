import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useAdministration } from "../../app/context";
import { download } from "../../ui/download";
import { Choice, hoursAgo, type Option, TextFilter } from "../../ui/Filters";
import { Menu } from "../../ui/Menu";
import { Section } from "../../ui/Page";
import { EmptyState, isRefused } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { toast } from "../../ui/toast";
import { useAction } from "../../ui/useAction";
import { usePages } from "../../ui/usePages";
import { type AuditEntry, auditFile, type FileFormat } from "./auditFile";

type Kind = AuditEntry["kind"];

/** The filters of the list in the address. */
interface Filters {
  readonly user?: string;
  readonly action?: string;
  readonly kind?: Kind;
  /** Hours. */
  readonly period?: string;
}

const KINDS: readonly Option[] = [
  { value: "act", label: "Changes" },
  { value: "access", label: "Access to others' data" },
  { value: "refusal", label: "Refused" },
];
const PERIODS: readonly Option[] = [
  { value: "24", label: "Last 24 hours" },
  { value: "168", label: "Last 7 days" },
  { value: "720", label: "Last 30 days" },
];
const MEDIA_TYPES: Record<FileFormat, string> = { csv: "text/csv", jsonl: "application/x-ndjson" };
const PAGE = 200;
/** The maximum that a browser can easily handle. Programs can read more through the API. */
const MOST = 20_000;

const COLUMNS: readonly Column<AuditEntry>[] = [
  { key: "at", header: "Time", cell: ({ at }) => <Time at={at} /> },
  { key: "user", header: "User", cell: ({ userId }) => userId },
  { key: "action", header: "Operation", cell: (entry) => <Act entry={entry} /> },
  { key: "kind", header: "Kind", cell: ({ kind }) => KINDS.find(({ value }) => value === kind)?.label ?? kind },
  { key: "status", header: "Status", align: "right", cell: ({ status }) => <Status status={status} /> },
];

/** The audit log of the organization, and its export. */
export function AuditTab(): ReactNode {
  const api = useAdministration();
  const filters: Filters = useSearch({ strict: false });
  const query = queryOf(filters);
  const pages = usePages<AuditEntry>({
    queryKey: ["audit", filters],
    fetchPage: (cursor, signal) => api.audit.list({ ...query, cursor, signal }),
    refetchInterval: 30_000,
  });
  if (pages.data === undefined && isRefused(pages.error)) {
    return <EmptyState title="The audit log is for admins.">{pages.error.message}</EmptyState>;
  }
  return (
    <Section title="Audit log" actions={<Export query={query} />}>
      <FilterBar filters={filters} />
      <PagedTable
        caption="Audit log, the latest first"
        columns={COLUMNS}
        pages={pages}
        rowKey={({ id }) => id}
        empty={<EmptyState title="No entries.">Changes, access to others&apos; data and refused requests that match the filters appear here.</EmptyState>}
      />
    </Section>
  );
}

function queryOf({ user, action, kind, period }: Filters) {
  return { userId: user ?? null, action: action ?? null, kind: kind ?? null, since: hoursAgo(period) };
}

function FilterBar({ filters }: { filters: Filters }): ReactNode {
  const navigate = useNavigate();
  const choose = (name: keyof Filters, value: string) => {
    const { [name]: _, ...others } = filters;
    void navigate({ to: ".", search: (value ? { ...others, [name]: value } : others) as never, hash: "audit", replace: true });
  };
  return (
    <div className="filters" role="search" aria-label="Filters">
      <Choice label="Kind" any="Any kind" value={filters.kind} options={KINDS} onChange={(value) => choose("kind", value)} />
      <Choice label="Time" any="Any time" value={filters.period} options={PERIODS} onChange={(value) => choose("period", value)} />
      <TextFilter label="User" value={filters.user} onChange={(value) => choose("user", value)} />
      <TextFilter label="Operation" value={filters.action} onChange={(value) => choose("action", value)} />
    </div>
  );
}

/** The operation with the ids of its resources. */
function Act({ entry }: { entry: AuditEntry }): ReactNode {
  const ids = Object.entries(entry.target).map(([name, id]) => `${name}: ${id}`);
  return (
    <>
      <span className="mono">{entry.action}</span>
      {(ids.length > 0 || entry.created) && <div className="muted mono">{[...ids, entry.created].filter(Boolean).join(", ")}</div>}
    </>
  );
}

function Status({ status }: { status: number | null }): ReactNode {
  if (status === null) return <span title="The process ended before the status was recorded">unknown</span>;
  return <span className={status >= 400 ? "failed" : ""}>{status}</span>;
}

/** Downloads all entries that match the filters. */
function Export({ query }: { query: ReturnType<typeof queryOf> }): ReactNode {
  const api = useAdministration();
  const save = useAction({
    run: async (format: FileFormat) => {
      const entries: AuditEntry[] = [];
      for await (const entry of api.audit.list({ ...query, limit: PAGE })) {
        if (entries.push(entry) >= MOST) break;
      }
      download(`audit-log.${format}`, MEDIA_TYPES[format], auditFile(entries, format));
      return entries.length;
    },
    failure: "The export failed",
    changes: [],
    onDone: (count) => toast.success(count < MOST ? `${count} entries saved.` : `The latest ${MOST} entries saved. Choose a shorter time to save all of it.`),
  });
  return (
    <Menu
      label={save.isRunning ? "Exporting…" : "Export"}
      items={[
        { label: "CSV, for spreadsheets", icon: "down", isDisabled: save.isRunning, onSelect: () => save.run("csv") },
        { label: "JSON Lines", icon: "down", isDisabled: save.isRunning, onSelect: () => save.run("jsonl") },
      ]}
    />
  );
}
