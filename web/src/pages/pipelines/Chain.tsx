import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { formatCompact } from "../../ui/format";
import { type Definition, destinationsOf, detailOf, type Part, titleOf, transformsOf } from "./model";

interface ChainProps {
  readonly definition: Definition;
  /** Null while they are unknown, or for a definition that is not running. */
  readonly metrics: Schemas["PipelineMetrics"] | null;
  readonly destinations?: readonly Schemas["Destination"][];
}

/** Source, transforms and destinations with their counts of the last day. */
export function Chain({ definition, metrics, destinations = [] }: ChainProps): ReactNode {
  const source = definition["source"] as Part | undefined;
  return (
    <ol className="chain" aria-label="From the source to the destinations">
      {source && (
        <li>
          <Box kind="Source" part={source} note={metrics && `${formatCompact(metrics.throughput)} events/s`} />
        </li>
      )}
      {transformsOf(definition).map((part, index) => (
        <li key={index}>
          <Box kind={`Step ${index + 1}`} part={part} note={stepNote(metrics?.steps[index])} />
        </li>
      ))}
      <li>
        {destinationsOf(definition).map((part, index) => (
          <Box key={index} kind="Destination" part={part} {...destinationNote(destinations[index])} />
        ))}
      </li>
    </ol>
  );
}

interface BoxProps {
  readonly kind: string;
  readonly part: Part;
  readonly note?: string | null;
  readonly state?: string;
}

function Box({ kind, part, note, state }: BoxProps): ReactNode {
  return (
    <div className="chain-part" data-state={state}>
      <span className="chain-part-kind">{kind}</span>
      <strong>{titleOf(part)}</strong>
      <span className="muted">{detailOf(part)}</span>
      {note && <span className="numeric">{note}</span>}
    </div>
  );
}

function stepNote(counts: Schemas["StepCounts"] | undefined): string | null {
  if (!counts) return null;
  const { received, passed, dropped, failed, held, late } = counts;
  const others = Object.entries({ dropped, failed, held, late }).filter(([, count]) => count > 0);
  return [`${formatCompact(received)} in, ${formatCompact(passed)} out`, ...others.map(([name, count]) => `${formatCompact(count)} ${name}`)].join(", ");
}

const STATES = { closed: "", open: "failing, paused", half_open: "retrying", disabled: "disabled" };

function destinationNote(found: Schemas["Destination"] | undefined): { note?: string; state?: string } {
  if (!found) return {};
  const { requests, state } = found;
  const counts = requests.succeeded + requests.failed > 0 ? `${formatCompact(requests.succeeded)} sent, ${formatCompact(requests.failed)} failed this minute` : "";
  return { note: [STATES[state], counts].filter(Boolean).join("; "), state };
}
