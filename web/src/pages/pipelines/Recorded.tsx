import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { useApi } from "../../app/context";
import { pretty } from "../../ui/json/JsonEditor";
import { Section } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { usePages } from "../../ui/usePages";
import { type Pipeline, pipelineKey } from "./model";

type Recorded = Schemas["RecordedEvent"];

const COLUMNS: readonly Column<Recorded>[] = [
  {
    key: "event",
    header: "Event",
    cell: ({ id, payload }) => (
      <details>
        <summary className="mono">{id}</summary>
        <pre className="json">{pretty(payload)}</pre>
      </details>
    ),
  },
  { key: "type", header: "Type", cell: ({ type }) => type },
  { key: "source", header: "Source", cell: ({ source }) => source },
  { key: "accepted", header: "Accepted", cell: ({ acceptedAt }) => <Time at={acceptedAt} />, align: "right" },
];

/** The events that the pipeline has accepted, as they arrived. */
export function Recorded({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const api = useApi();
  const pages = usePages<Recorded>({
    queryKey: pipelineKey(pipeline.id, "events"),
    fetchPage: (cursor, signal) => api.streaming.listRecordedEvents(pipeline.id, { cursor, limit: 30, signal }),
    refetchInterval: 10_000,
  });
  return (
    <Section title="Accepted events">
      <PagedTable
        caption="Accepted events, the newest first"
        columns={COLUMNS}
        pages={pages}
        // An event that was replayed or sent again is listed again.
        rowKey={({ id, acceptedAt }) => `${id} ${acceptedAt}`}
        empty={<EmptyState title="No events yet.">Start the pipeline and send a test event. Events are kept for 30 days.</EmptyState>}
      />
    </Section>
  );
}
