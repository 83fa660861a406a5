import { type ReactNode, lazy, Suspense } from "react";
import { Loading } from "../../ui/states";
import type { ExecutionView } from "./execution";
import type { FlowStep } from "./model";

export interface FlowGraphProps {
  readonly steps: readonly FlowStep[];
  /** Null for a flow that does not run. */
  readonly view: ExecutionView | null;
  readonly selected: string | null;
  readonly onSelect: (step: string) => void;
}

const Drawing = lazy(() => import("./Drawing"));

/** The steps as a graph, each in its state. xyflow and dagre are loaded with the first one. */
export function FlowGraph(props: FlowGraphProps): ReactNode {
  return (
    <Suspense fallback={<Loading lines={6} />}>
      <Drawing {...props} />
    </Suspense>
  );
}
