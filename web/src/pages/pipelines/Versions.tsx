import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { Section } from "../../ui/Page";
import { EmptyState, Loaded } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useAction } from "../../ui/useAction";
import { usePages } from "../../ui/usePages";
import { type Pipeline, pipelineKey } from "./model";

type Version = Schemas["PipelineVersion"];

/** The versions of the pipeline, which can be compared with the current one and restored. */
export function Versions({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const api = useApi();
  const [compared, setCompared] = useState<Version | null>(null);
  const pages = usePages<Version>({
    queryKey: pipelineKey(pipeline.id, "versions", pipeline.version),
    fetchPage: (cursor, signal) => api.streaming.listVersions(pipeline.id, { cursor, limit: 30, signal }),
  });
  const columns: Column<Version>[] = [
    { key: "version", header: "Version", cell: ({ version }) => `${version}${version === pipeline.version ? " (current)" : ""}` },
    { key: "made", header: "Created", cell: ({ createdAt }) => (createdAt ? <Time at={createdAt} /> : "–") },
    {
      key: "act",
      header: "Actions",
      align: "right",
      cell: (one) =>
        one.version !== pipeline.version && (
          <button type="button" className="button" onClick={() => setCompared(one)}>
            Compare
          </button>
        ),
    },
  ];
  return (
    <Section title="Versions">
      <PagedTable
        caption="Versions, the newest first"
        columns={columns}
        pages={pages}
        rowKey={({ version }) => String(version)}
        empty={<EmptyState title="No versions." />}
      />
      {compared && <Comparison pipeline={pipeline} version={compared} onClose={() => setCompared(null)} />}
    </Section>
  );
}

interface ComparisonProps {
  readonly pipeline: Pipeline;
  readonly version: Version;
  readonly onClose: () => void;
}

function Comparison({ pipeline, version, onClose }: ComparisonProps): ReactNode {
  const api = useApi();
  const query = useQuery({
    queryKey: pipelineKey(pipeline.id, "diff", version.version, pipeline.version),
    queryFn: ({ signal }) => api.streaming.compareVersions(pipeline.id, version.version, { signal }),
  });
  const restore = useAction({
    run: () => api.streaming.restoreVersion(pipeline.id, version.version),
    failure: "The version was not restored",
    success: `Version ${version.version} was restored as a new version.`,
    changes: [["pipelines"]],
    onDone: onClose,
  });
  return (
    <Dialog
      title={`Version ${version.version} compared with the current one`}
      isOpen
      isWide
      onClose={onClose}
      footer={
        <button
          type="button"
          className="button primary"
          disabled={restore.isRunning || pipeline.state === "stopped"}
          onClick={() => restore.run()}
        >
          Restore version {version.version}
        </button>
      }
    >
      <Loaded query={query}>{({ changes }) => <Changes changes={changes} />}</Loaded>
    </Dialog>
  );
}

const MARKS = { added: "+", removed: "−", changed: "±" };

function Changes({ changes }: { changes: readonly Schemas["DefinitionChange"][] }): ReactNode {
  if (changes.length === 0) return <EmptyState title="The versions are identical." />;
  return (
    <dl className="diff">
      {changes.map((one) => (
        <div key={one.path} data-change={one.change}>
          <dt>
            <span aria-hidden="true">{MARKS[one.change]}</span> <code>{one.path}</code> {one.change}
          </dt>
          {one.change !== "added" && <dd className="before">{JSON.stringify(one.before)}</dd>}
          {one.change !== "removed" && <dd className="after">{JSON.stringify(one.after)}</dd>}
        </div>
      ))}
    </dl>
  );
}
