import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { StateBadge } from "../../ui/Badge";
import { formatDuration } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { JsonEditor, pretty, readJson } from "../../ui/json/JsonEditor";
import { Section } from "../../ui/Page";
import { Loaded } from "../../ui/states";
import { useAction } from "../../ui/useAction";
import type { ExecutionView, StepView } from "./execution";
import type { FlowView } from "./model";
import type { LiveExecution } from "./useExecution";
import { WaitingForm } from "./WaitingForm";

interface ExecutionPanelProps {
  readonly flow: FlowView;
  readonly execution: LiveExecution;
  readonly selected: string | null;
}

/** Starts an execution, shows its progress, and asks for the input that it waits for. */
export function ExecutionPanel({ flow, execution, selected }: ExecutionPanelProps): ReactNode {
  const { view, executionId, problem } = execution;
  return (
    <div className="stack">
      <Start execution={execution} />
      {problem && (
        <p className="stale" role="alert">
          {problem}
        </p>
      )}
      {problem && executionId && <Kept flow={flow} executionId={executionId} />}
      {view && (
        <Section title="Execution" actions={<StateLine flow={flow} view={view} executionId={executionId} />}>
          <div className="stack" aria-live="polite">
            {view.asked && executionId && (
              <WaitingForm
                key={view.asked.step}
                asked={view.asked}
                onAnswer={(answer) => execution.send({ ...answer, executionId, step: view.asked?.step ?? "" })}
              />
            )}
            <Steps view={view} selected={selected} />
            <Result view={view} />
          </div>
        </Section>
      )}
    </div>
  );
}

/** The results of an execution whose events have expired, which are kept for 30 days. */
function Kept({ flow, executionId }: { flow: FlowView; executionId: string }): ReactNode {
  const api = useApi();
  const query = useQuery({
    queryKey: ["flow-executions", flow.name, executionId],
    queryFn: ({ signal }) => api.flows.getExecution(flow.name, executionId, { signal }),
  });
  return (
    <Loaded query={query}>
      {({ steps, state }) => (
        <Section title="Results" actions={state && <StateBadge state={state} />}>
          <pre className="json">{pretty(steps)}</pre>
        </Section>
      )}
    </Loaded>
  );
}

function Start({ execution }: { execution: LiveExecution }): ReactNode {
  const [text, setText] = useState('"Hello"');
  const parsed = readJson(text);
  return (
    <Section title="Input">
      <JsonEditor label="Input" value={text} onChange={setText} height="6rem" />
      <div className="buttons">
        <button
          type="button"
          className="button primary"
          disabled={!("value" in parsed) || execution.view?.state === "running"}
          onClick={() => "value" in parsed && execution.send({ input: parsed.value })}
        >
          <Icon name="play" /> Run
        </button>
      </div>
    </Section>
  );
}

interface StateLineProps {
  readonly flow: FlowView;
  readonly view: ExecutionView;
  readonly executionId: string | null;
}

function StateLine({ flow, view, executionId }: StateLineProps): ReactNode {
  const api = useApi();
  const cancel = useAction({
    run: () => api.flows.cancelExecution(flow.name, executionId ?? ""),
    failure: "The execution could not be stopped",
    changes: [["flow-executions", flow.name]],
  });
  const isOpen = view.state === "running" || view.state === "waiting";
  return (
    <>
      <StateBadge state={view.state} />
      {view.durationMs !== null && <span className="muted">{formatDuration(view.durationMs)}</span>}
      {isOpen && executionId && (
        <button type="button" className="button" disabled={cancel.isRunning} onClick={() => cancel.run()}>
          Stop
        </button>
      )}
    </>
  );
}

function Steps({ view, selected }: { view: ExecutionView; selected: string | null }): ReactNode {
  const steps = Object.entries(view.steps);
  return (
    <ol className="trace" aria-label="Steps">
      {steps.map(([name, step]) => (
        <li key={name} className="card flow-step" data-selected={name === selected}>
          <p>
            <strong>{name}</strong> <StateBadge state={step.state} />{" "}
            {step.durationMs !== null && <span className="muted">{formatDuration(step.durationMs)}</span>}
          </p>
          <Said step={step} />
        </li>
      ))}
    </ol>
  );
}

function Said({ step }: { step: StepView }): ReactNode {
  return (
    <>
      {step.activity && <p className="muted">{step.activity}</p>}
      {step.text && <p className="flow-text">{step.text}</p>}
    </>
  );
}

function Result({ view }: { view: ExecutionView }): ReactNode {
  if (view.error !== null) {
    return (
      <p className="problems" role="alert">
        {view.error}
      </p>
    );
  }
  if (view.result === undefined) return null;
  return (
    <>
      <h3>Result</h3>
      <pre className="json">{typeof view.result === "string" ? view.result : pretty(view.result)}</pre>
    </>
  );
}
