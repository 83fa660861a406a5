import type { Schemas } from "@millrace/client";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import { formatTime } from "../../ui/format";
import { Section } from "../../ui/Page";
import { EmptyState, Loaded } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useAction } from "../../ui/useAction";
import { type Pipeline, pipelineKey, usePipelineQuery } from "./model";

type Checkpoint = Schemas["Checkpoint"];

/** Checkpoints, and replays of the events accepted in a period. */
export function Checkpoints({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const query = usePipelineQuery(pipeline.id, "checkpoints", (api, options) => api.listCheckpoints(pipeline.id, options), 30_000);
  const [isReplaying, setReplaying] = useState(false);
  const columns: Column<Checkpoint>[] = [
    { key: "time", header: "Checkpoint", cell: ({ time }) => <Time at={time} /> },
    { key: "version", header: "Version", cell: ({ version }) => version },
    { key: "restore", header: "Actions", cell: (one) => <Restore pipeline={pipeline} checkpoint={one} />, align: "right" },
  ];
  const replay = (
    <button type="button" className="button" disabled={pipeline.state !== "running"} onClick={() => setReplaying(true)}>
      Replay…
    </button>
  );
  return (
    <Section title="Checkpoints" actions={replay}>
      <Loaded query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="No checkpoints yet.">A checkpoint marks a point that you can return to: everything accepted since then is processed again, with the version of that time.</EmptyState>
          ) : (
            <Table caption="Checkpoints" columns={columns} rows={items} rowKey={({ id }) => id} />
          )
        }
      </Loaded>
      {isReplaying && <Replay pipeline={pipeline} onClose={() => setReplaying(false)} />}
    </Section>
  );
}

function Restore({ pipeline, checkpoint }: { pipeline: Pipeline; checkpoint: Checkpoint }): ReactNode {
  const api = useApi();
  const confirm = useConfirm();
  const restore = useAction({
    run: () => api.streaming.restoreCheckpoint(pipeline.id, checkpoint.id),
    failure: "The checkpoint was not restored",
    success: "Everything accepted since then is being processed again.",
    changes: [pipelineKey(pipeline.id)],
  });
  const ask = async () => {
    const text = `Everything accepted since ${formatTime(checkpoint.time)} is processed again with version ${checkpoint.version}. Event ids stay the same, so destinations that check them ignore repeated events.`;
    if (await confirm({ title: "Restore this checkpoint?", text, action: "Restore" })) restore.run();
  };
  return (
    <button type="button" className="button" disabled={pipeline.state !== "running" || restore.isRunning} onClick={() => void ask()}>
      Restore
    </button>
  );
}

function Replay({ pipeline, onClose }: { pipeline: Pipeline; onClose: () => void }): ReactNode {
  const api = useApi();
  const [from, setFrom] = useState(() => localTime(Date.now() - 3_600_000));
  const [to, setTo] = useState(() => localTime(Date.now()));
  return (
    <FormDialog
      title="Replay"
      description="Processes the events that were accepted in this period again, with the current version."
      action="Replay"
      isReady={from < to}
      run={() => api.streaming.replay(pipeline.id, { from: new Date(from).toISOString(), to: new Date(to).toISOString() })}
      success="The events are being processed again."
      changes={[pipelineKey(pipeline.id)]}
      onClose={onClose}
    >
      <Field label="From">
        {(ids) => <input {...ids} type="datetime-local" required value={from} onChange={(event) => setFrom(event.target.value)} />}
      </Field>
      <Field label="To">
        {(ids) => <input {...ids} type="datetime-local" required value={to} onChange={(event) => setTo(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}

/** Formats a time for `<input type="datetime-local">`. */
function localTime(ms: number): string {
  const shifted = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
