import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { useApi } from "../../app/context";
import { Badge, type Tone } from "../../ui/Badge";
import { formatAge } from "../../ui/format";
import { Section } from "../../ui/Page";
import { Loaded, type Loadable } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { toast } from "../../ui/toast";
import { useAction } from "../../ui/useAction";
import { type Pipeline, pipelineKey } from "./model";

type Destination = Schemas["Destination"];

const TONES: Record<Destination["state"], Tone> = { closed: "good", half_open: "warning", open: "bad", disabled: "quiet" };
const WORDS: Record<Destination["state"], string> = {
  closed: "active",
  half_open: "retrying",
  open: "paused after failures",
  disabled: "disabled",
};

interface DestinationsProps {
  readonly pipeline: Pipeline;
  readonly query: Loadable<Schemas["DestinationPage"]>;
}

/** The pipeline's destinations, each of which can be tested, enabled and disabled. */
export function Destinations({ pipeline, query }: DestinationsProps): ReactNode {
  const columns: Column<Destination>[] = [
    { key: "name", header: "Destination", cell: ({ name, type, destination }) => name ?? `${type} ${destination + 1}` },
    { key: "state", header: "State", cell: ({ state }) => <Badge tone={TONES[state]}>{WORDS[state]}</Badge> },
    { key: "reason", header: "Reason", cell: ({ reason, since }) => (reason ? `${reason} (${formatAge(since ?? "")})` : "") },
    { key: "act", header: "Actions", cell: (one) => <Buttons pipeline={pipeline} destination={one} />, align: "right" },
  ];
  return (
    <Section title="Destinations">
      <Loaded query={query}>
        {({ items }) => <Table caption="Destinations" columns={columns} rows={items} rowKey={(one) => String(one.destination)} />}
      </Loaded>
    </Section>
  );
}

function Buttons({ pipeline, destination }: { pipeline: Pipeline; destination: Destination }): ReactNode {
  const api = useApi();
  const number = destination.destination;
  const changes = [pipelineKey(pipeline.id)];
  const flip = destination.state === "disabled" || destination.state === "open" ? "enable" : "disable";
  const switched = useAction({
    run: () => api.streaming[`${flip}Destination`](pipeline.id, number),
    failure: `The destination could not be ${flip}d`,
    changes,
  });
  const tested = useAction({
    run: () => api.streaming.testDestination(pipeline.id, number, {}),
    failure: "The destination could not be tested",
    changes,
    onDone: tell,
  });
  return (
    <span className="buttons">
      <button type="button" className="button" disabled={tested.isRunning} onClick={() => tested.run()}>
        {tested.isRunning ? "Testing…" : "Test"}
      </button>
      <button type="button" className="button" disabled={switched.isRunning} onClick={() => switched.run()}>
        {flip === "enable" ? "Enable" : "Disable"}
      </button>
    </span>
  );
}

function tell({ outcome, message, status, durationMs }: Schemas["DestinationTestResult"]): void {
  const said = [status && `Status ${status}`, message, `${durationMs} ms`].filter(Boolean).join(", ");
  if (outcome === "delivered") toast.success("The test event arrived.", { description: said });
  else toast.error("The test event did not arrive.", { description: said });
}
