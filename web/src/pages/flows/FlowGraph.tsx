import { type ReactNode, lazy, Suspense } from "react";
import { Loading } from "../../ui/states";
import type { ExecutionView } from "./execution";
import type { FlowStep } from "./model";
import "./flow-graph.css";

export interface FlowGraphProps {
  readonly steps: readonly FlowStep[];
  /** Null for a flow without an execution. */
  readonly view: ExecutionView | null;
  readonly selected: string | null;
  readonly onSelect: (step: string) => void;
}

export const STEP_HEIGHT = 76;
export const GAP = 36;
const MOST_HEIGHT = 640;
const Drawing = lazy(() => import("./Drawing"));

/** The steps as a graph with their states. xyflow and dagre are loaded with the first one. */
export function FlowGraph(props: FlowGraphProps): ReactNode {
  const height = Math.min(MOST_HEIGHT, props.steps.length * (STEP_HEIGHT + GAP) + GAP);
  return (
    <div className="flow-graph" style={{ height }}>
      <Suspense fallback={<Loading lines={6} />}>
        <Drawing {...props} />
      </Suspense>
    </div>
  );
}
