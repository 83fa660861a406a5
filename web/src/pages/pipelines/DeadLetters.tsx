import type { Schemas } from "@millrace/client";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { formatNumber } from "../../ui/format";
import { Section } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { type Column, PagedTable } from "../../ui/Table";
import { Age } from "../../ui/Time";
import { toast } from "../../ui/toast";
import { useAction } from "../../ui/useAction";
import { usePages } from "../../ui/usePages";
import { DeadLetterGroup } from "./DeadLetterGroup";
import { type Pipeline, pipelineKey } from "./model";
import { Redrives } from "./Redrives";

export type Group = Schemas["DeadLetterGroup"];
type Chosen = Pick<Group, "place" | "code">;

/** Dead letters by error, which can be viewed, redriven and deleted. */
export function DeadLetters({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const [open, setOpen] = useState<Group | null>(null);
  const groups = useGroups(pipeline.id);
  const { redrive, remove } = useCommands(pipeline);
  const columns: Column<Group>[] = [
    {
      key: "message",
      header: "Error",
      cell: (group) => (
        <button type="button" className="quiet named" onClick={() => setOpen(group)}>
          {group.message}
        </button>
      ),
    },
    { key: "place", header: "Where", cell: ({ place }) => placeText(place) },
    { key: "code", header: "Code", cell: ({ code, statuses }) => [code, ...Object.keys(statuses)].join(", ") },
    { key: "count", header: "Count", cell: ({ count }) => formatNumber(count), align: "right" },
    { key: "last", header: "Last", cell: ({ lastAt }) => <Age at={lastAt} />, align: "right" },
    {
      key: "act",
      header: "Actions",
      align: "right",
      cell: (group) => (
        <span className="buttons">
          <button type="button" className="button" disabled={redrive.isRunning} onClick={() => redrive.run(group)}>
            Redrive
          </button>
          <button type="button" className="button" onClick={() => void remove(group)}>
            Delete
          </button>
        </span>
      ),
    },
  ];
  return (
    <>
      <Section title="By error">
        <PagedTable
          caption="Dead letters by error"
          columns={columns}
          pages={groups}
          rowKey={({ place, code }) => `${place} ${code}`}
          empty={<EmptyState title="No dead letters.">Every event so far has been processed and delivered.</EmptyState>}
        />
      </Section>
      <Redrives pipeline={pipeline} />
      {open && <DeadLetterGroup pipeline={pipeline} group={open} onRedrive={redrive.run} onClose={() => setOpen(null)} />}
    </>
  );
}

export function placeText(place: string): string {
  const [kind, number] = place.split(":");
  return kind && number ? `${kind} ${Number(number) + 1}` : place;
}

/** Later pages may continue a group, so equal groups are added up. */
function useGroups(id: string) {
  const api = useApi();
  const pages = usePages<Group>({
    queryKey: pipelineKey(id, "dead-letter-groups"),
    fetchPage: (cursor, signal) => api.streaming.listDeadLetterGroups(id, { cursor, signal }),
    refetchInterval: 10_000,
  });
  return { ...pages, data: pages.data && merged(pages.data) };
}

function merged(groups: readonly Group[]): readonly Group[] {
  const found = new Map<string, Group>();
  for (const group of groups) {
    const key = `${group.place} ${group.code}`;
    const before = found.get(key);
    found.set(key, before ? { ...group, count: before.count + group.count, firstAt: before.firstAt } : group);
  }
  return [...found.values()].sort((one, other) => other.count - one.count);
}

function useCommands(pipeline: Pipeline) {
  const api = useApi();
  const confirm = useConfirm();
  const changes = [pipelineKey(pipeline.id)];
  const redrive = useAction({
    run: (chosen: Chosen | { ids: readonly string[] }) => api.streaming.redrive(pipeline.id, selectionOf(chosen)),
    failure: "Nothing was redriven",
    changes,
    onDone: () => toast.success("Redrive started."),
  });
  const removal = useAction({
    run: (chosen: Chosen) => api.streaming.deleteDeadLetters(pipeline.id, selectionOf(chosen)),
    failure: "The dead letters were not deleted",
    changes,
  });
  const remove = async (group: Group) => {
    const text = `${formatNumber(group.count)} with the code ${group.code} at ${placeText(group.place)}. At most 1,000 are deleted at a time.`;
    if (await confirm({ title: "Delete these dead letters?", text, action: "Delete", isDangerous: true })) removal.run(group);
  };
  return { redrive, remove };
}

function selectionOf(chosen: Chosen | { ids: readonly string[] }) {
  return "ids" in chosen ? { ids: [...chosen.ids] } : { place: chosen.place, code: chosen.code };
}
