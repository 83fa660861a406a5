import type { ReactNode } from "react";
import { useApi } from "../../app/context";
import { StateBadge } from "../../ui/Badge";
import { Section } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { usePages } from "../../ui/usePages";
import type { ExecutionSummary } from "./model";

interface ExecutionsProps {
  readonly name: string;
  readonly current: string | null;
  readonly onOpen: (executionId: string, runId: string) => void;
}

/** The executions of a flow, each of which can be viewed, and answered if it waits. */
export function Executions({ name, current, onOpen }: ExecutionsProps): ReactNode {
  const api = useApi();
  const pages = usePages<ExecutionSummary>({
    queryKey: ["flow-executions", name],
    fetchPage: (cursor, signal) => api.flows.listExecutions(name, { cursor, limit: 20, signal }),
    refetchInterval: 5000,
  });
  const columns: Column<ExecutionSummary>[] = [
    {
      key: "id",
      header: "Execution",
      cell: ({ executionId, runId }) => (
        <button
          type="button"
          className="quiet named mono"
          aria-current={executionId === current}
          onClick={() => onOpen(executionId, runId)}
        >
          {executionId}
        </button>
      ),
    },
    { key: "state", header: "State", cell: ({ state }) => (state ? <StateBadge state={state} /> : "–") },
    { key: "by", header: "Started by", cell: ({ createdBy }) => createdBy ?? "–" },
    { key: "begun", header: "Started", cell: ({ createdAt }) => <Time at={createdAt} />, align: "right" },
    { key: "ended", header: "Ended", cell: ({ endedAt }) => (endedAt ? <Time at={endedAt} /> : "–"), align: "right" },
  ];
  return (
    <Section title="Executions">
      <PagedTable
        caption="Executions, the latest first"
        columns={columns}
        pages={pages}
        rowKey={({ executionId }) => executionId}
        empty={<EmptyState title="No executions yet." />}
      />
    </Section>
  );
}
