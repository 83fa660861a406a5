import type { Schemas } from "@millrace/client";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { Badge, type Tone } from "../../ui/Badge";
import { JsonEditor, pretty, readJson } from "../../ui/json/JsonEditor";
import { Section } from "../../ui/Page";
import { EmptyState, ErrorState } from "../../ui/states";
import type { DryRun } from "./model";

const EXAMPLE = [{ message: "An event to try" }];

interface DryRunPaneProps {
  /** The definition in the editor; null while it is not valid JSON. */
  readonly definition: unknown;
  /** The pipeline whose recorded events can be used; null for a new one. */
  readonly pipelineId: string | null;
}

/** Shows what each step of a definition would do to events, without sending anything. */
export function DryRunPane({ definition, pipelineId }: DryRunPaneProps): ReactNode {
  const api = useApi();
  const [isPasted, setPasted] = useState(pipelineId === null);
  const [text, setText] = useState(() => pretty(EXAMPLE));
  const parsed = readJson(text);
  const events = isPasted && "value" in parsed ? [parsed.value].flat() : undefined;
  const run = useMutation({
    mutationFn: () => {
      const tried = { definition, ...(events && { events }) } as Schemas["DefinitionDryRun"];
      return pipelineId === null ? api.streaming.dryRunDefinition(tried) : api.streaming.dryRun(pipelineId, tried);
    },
  });
  const isReady = definition !== null && (!isPasted || events !== undefined);
  return (
    <Section
      title="Dry run"
      actions={
        <>
          {pipelineId !== null && (
            <select
              className="input"
              aria-label="Events to try"
              value={isPasted ? "pasted" : "recorded"}
              onChange={(event) => setPasted(event.target.value === "pasted")}
            >
              <option value="recorded">The last recorded events</option>
              <option value="pasted">Pasted events</option>
            </select>
          )}
          <button type="button" className="button" disabled={!isReady || run.isPending} onClick={() => run.mutate()}>
            Dry run
          </button>
        </>
      }
    >
      {isPasted && <JsonEditor label="Events" value={text} onChange={setText} height="9rem" />}
      {run.error && <ErrorState title="The dry run failed." error={run.error} />}
      {run.data && <Outcome result={run.data} />}
    </Section>
  );
}

function Outcome({ result }: { result: DryRun }): ReactNode {
  if (result.events.length === 0) {
    return <EmptyState title="No recorded events yet.">Paste some events, or send a test event first.</EmptyState>;
  }
  return (
    <div className="stack" aria-live="polite">
      <p className="muted">
        {result.events.length} in, {result.outputs.length} out
      </p>
      <ul className="trace" aria-label="Events">
        {result.events.slice(0, 50).map((event) => (
          <Traced key={event.id} event={event} isOpen={result.events.length === 1} />
        ))}
      </ul>
    </div>
  );
}

const TONES: Record<string, Tone> = { passed: "good", mapped: "good", split: "good", dropped: "quiet", held: "warning", late: "warning", failed: "bad" };

function Traced({ event, isOpen }: { event: Schemas["DryRunEvent"]; isOpen: boolean }): ReactNode {
  return (
    <li className="card">
      <details open={isOpen}>
        <summary>
          <span className="mono">{event.id}</span>
          {event.steps.map((step) => (
            <Badge key={step.step} tone={TONES[step.did] ?? "quiet"}>{`${step.type}: ${step.did}`}</Badge>
          ))}
          {event.outputs.length > 0 && <Badge tone="good">sent</Badge>}
        </summary>
        <ol>
          {event.steps.map((step) => (
            <li key={step.step}>
              {step.type} {step.did}
              {step.error && <span className="failed">: {step.error}</span>}
              {step.payloads && <pre className="json">{step.payloads.map(pretty).join("\n")}</pre>}
            </li>
          ))}
          {event.outputs.length > 0 && (
            <li>
              to the destinations
              <pre className="json">{event.outputs.map(pretty).join("\n")}</pre>
            </li>
          )}
        </ol>
      </details>
    </li>
  );
}
