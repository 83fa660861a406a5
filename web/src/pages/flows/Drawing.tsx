import { graphlib, layout } from "@dagrejs/dagre";
import { type Edge, Handle, MarkerType, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { type ReactNode, useMemo } from "react";
import { useIsDark } from "../../app/theme";
import type { StepState } from "./execution";
import { type FlowGraphProps, GAP, STEP_HEIGHT } from "./FlowGraph";
import { detailOf, type FlowStep } from "./model";

const WIDTH = 210;

type StepNode = Node<{ readonly step: FlowStep; readonly state: StepState | null }, "step">;

const NODE_TYPES = { step: StepBox };

/** The graph of `FlowGraph`, in a file that is loaded on demand. */
export default function Drawing({ steps, view, selected, onSelect }: FlowGraphProps): ReactNode {
  const isDark = useIsDark();
  const edges = useMemo(() => edgesOf(steps), [steps]);
  const places = useMemo(() => placesOf(steps, edges), [steps, edges]);
  const nodes: StepNode[] = steps.map((step) => ({
    id: step.name,
    type: "step",
    position: places.get(step.name) ?? { x: 0, y: 0 },
    data: { step, state: view ? (view.steps[step.name]?.state ?? "pending") : null },
    selected: step.name === selected,
    width: WIDTH,
    height: STEP_HEIGHT,
    ariaLabel: `Step ${step.name}`,
  }));
  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={NODE_TYPES}
      colorMode={isDark ? "dark" : "light"}
      fitView
      fitViewOptions={{ maxZoom: 1, padding: 0.15 }}
      minZoom={0.2}
      nodesDraggable={false}
      nodesConnectable={false}
      zoomOnScroll={false}
      preventScrolling={false}
      onNodeClick={(_, node) => onSelect(node.id)}
      proOptions={{ hideAttribution: true }}
    />
  );
}

function StepBox({ data: { step, state } }: NodeProps<StepNode>): ReactNode {
  return (
    <div className="step-box" data-state={state ?? "none"}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <span className="step-kind">
        {step.type.replaceAll("_", " ")}
        {step.when && " (if)"}
        {state && state !== "pending" && `: ${state}`}
      </span>
      <strong>{step.name}</strong>
      <span className="muted">{detailOf(step)}</span>
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
      <Handle type="source" id="read" position={Position.Right} isConnectable={false} />
      <Handle type="target" id="reads" position={Position.Right} isConnectable={false} />
    </div>
  );
}

/** Steps in order. Dashed edges are results that a step reads from earlier ones. */
function edgesOf(steps: readonly FlowStep[]): Edge[] {
  const line = steps.slice(1).map((step, index) => edge(steps[index]?.name ?? "", step.name, false));
  const reads = steps.flatMap((step, at) =>
    readBy(step)
      .filter((name) => steps.slice(0, Math.max(at - 1, 0)).some((one) => one.name === name))
      .map((name) => edge(name, step.name, true)),
  );
  return [...line, ...reads];
}

function edge(source: string, target: string, isRead: boolean): Edge {
  return {
    id: `${isRead ? "read" : "next"} ${source} ${target}`,
    source,
    target,
    focusable: false,
    markerEnd: { type: MarkerType.ArrowClosed },
    // Next to the line, so that it crosses no step.
    ...(isRead && { type: "smoothstep", pathOptions: { offset: 22 }, className: "reads", sourceHandle: "read", targetHandle: "reads" }),
  };
}

/** The steps whose results its expressions read. */
function readBy(step: FlowStep): string[] {
  const named = JSON.stringify(step).matchAll(/\b(?:steps|answers)\.([A-Za-z_]\w*)/g);
  return [...new Set([...named].map(([, name]) => name ?? ""))];
}

function placesOf(steps: readonly FlowStep[], edges: readonly Edge[]): Map<string, { x: number; y: number }> {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "TB", ranksep: GAP, nodesep: 40 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { name } of steps) graph.setNode(name, { width: WIDTH, height: STEP_HEIGHT });
  for (const { source, target, className } of edges) if (!className) graph.setEdge(source, target);
  layout(graph);
  return new Map(
    steps.map(({ name }) => {
      const { x, y } = graph.node(name) as { x: number; y: number };
      return [name, { x: x - WIDTH / 2, y: y - STEP_HEIGHT / 2 }];
    }),
  );
}
