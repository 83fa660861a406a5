import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { Icon } from "../../ui/Icon";
import { Section } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useAction } from "../../ui/useAction";
import { NewStop } from "./NewStop";
import { Permitted } from "./Permitted";

type Stop = Schemas["Stop"];
export const CHANGES = [["stops"]];

/** The stops of agents or of the organization. */
export function StopsTab(): ReactNode {
  const api = useAdministration();
  const [isStopping, setStopping] = useState(false);
  const query = useQuery({ queryKey: ["stops"], queryFn: ({ signal }) => api.limits.stops({ signal }), refetchInterval: 10_000 });
  const stop = (
    <button type="button" className="button dangerous" onClick={() => setStopping(true)}>
      <Icon name="stop" /> Stop…
    </button>
  );
  return (
    <Section title="Stops" actions={query.data && stop}>
      <Permitted query={query} what="Stops">
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="Nothing is stopped.">
              A stop ends every run of an agent, or of the whole organization, within seconds. New runs are refused until you lift it.
            </EmptyState>
          ) : (
            <Table caption="Stops" columns={COLUMNS} rows={items} rowKey={({ agentId }) => agentId ?? ""} />
          )
        }
      </Permitted>
      {isStopping && <NewStop onClose={() => setStopping(false)} />}
    </Section>
  );
}

const COLUMNS: readonly Column<Stop>[] = [
  { key: "what", header: "Stopped", cell: ({ agentId }) => agentId ?? "The whole organization" },
  { key: "reason", header: "Reason", cell: ({ reason }) => reason },
  { key: "by", header: "By", cell: ({ createdBy }) => createdBy },
  { key: "since", header: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
  { key: "act", header: "Actions", align: "right", cell: (stop) => <Lift stop={stop} /> },
];

function Lift({ stop }: { stop: Stop }): ReactNode {
  const api = useAdministration();
  const confirm = useConfirm();
  const what = stop.agentId ?? "the organization";
  const lift = useAction({
    run: () => api.limits.lift({ agentId: stop.agentId }),
    failure: "The stop was not lifted",
    success: "Stop lifted.",
    changes: CHANGES,
  });
  const ask = async () => {
    const text = "New messages start runs again. Runs that were stopped are not restarted.";
    if (await confirm({ title: `Lift the stop on ${what}?`, text, action: "Lift" })) lift.run();
  };
  return (
    <button type="button" className="button" disabled={lift.isRunning} onClick={() => void ask()}>
      Lift
    </button>
  );
}
