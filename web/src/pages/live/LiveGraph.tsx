import {
  BaseEdge,
  Controls,
  type EdgeProps,
  type FitViewOptions,
  getBezierPath,
  Handle,
  type NodeProps,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { createContext, memo, type ReactNode, useContext, useEffect, useRef } from "react";
import { useIsDark } from "../../app/theme";
import type { Graph, GraphNode } from "./graph";
import type { Pulse } from "./model";
import type { Pulses } from "./pulses";

const TRAVEL_MS = 900;
const BLINK_MS = 600;
/** The buttons have their own bar below the graph. */
const FIT: FitViewOptions = { padding: { x: "4%", top: "6%", bottom: "44px" }, maxZoom: 1.1 };
const PulseContext = createContext<Pulses | null>(null);
const NODE_TYPES = { part: memo(PartNode) };
const EDGE_TYPES = { pulsing: memo(PulsingEdge) };

/** The graph. React renders its shape, and browser animations its motion. */
export function LiveGraph({ graph, pulses }: { graph: Graph; pulses: Pulses }): ReactNode {
  const isDark = useIsDark();
  return (
    <PulseContext.Provider value={pulses}>
      <div className="live-graph" role="group" aria-label={describe(graph)}>
        <ReactFlowProvider>
          <ReactFlow
            nodes={graph.nodes as GraphNode[]}
            edges={[...graph.edges]}
            nodeTypes={NODE_TYPES}
            edgeTypes={EDGE_TYPES}
            colorMode={isDark ? "dark" : "light"}
            fitView
            fitViewOptions={FIT}
            minZoom={0.2}
            nodesDraggable={false}
            nodesConnectable={false}
            nodesFocusable={false}
            edgesFocusable={false}
            elementsSelectable={false}
            zoomOnScroll={false}
            preventScrolling={false}
            proOptions={{ hideAttribution: true }}
          >
            <Controls showInteractive={false} position="bottom-right" orientation="horizontal" fitViewOptions={FIT} />
            <Fitting count={graph.nodes.length} />
          </ReactFlow>
        </ReactFlowProvider>
      </div>
    </PulseContext.Provider>
  );
}

function describe({ nodes }: Graph): string {
  const names = (kind: string) => nodes.filter(({ data }) => data.kind === kind).map(({ data }) => data.label);
  const parts = ["agent", "tool", "pipeline", "destination"].map((kind) => `${kind}s: ${names(kind).join(", ") || "none"}`);
  return `Graph of agents, tools and pipelines. ${parts.join("; ")}`;
}

/** Scrolls a graph that has grown into view. */
function Fitting({ count }: { count: number }): ReactNode {
  const { fitView } = useReactFlow();
  useEffect(() => void fitView(FIT), [count, fitView]);
  return null;
}

function PartNode({ id, data }: NodeProps<GraphNode>): ReactNode {
  const pulses = useContext(PulseContext);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => pulses?.add(id, (pulse) => blink(box.current, pulse, pulses)), [pulses, id]);
  return (
    <div className="graph-node" data-kind={data.kind} ref={box}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <span className="graph-label">{data.label}</span>
      {data.note && <span className="graph-note">{data.note}</span>}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
}

function blink(element: HTMLElement | null, { tone }: Pulse, pulses: Pulses): void {
  if (!element || isStill()) return;
  const ring = document.createElement("span");
  ring.className = "graph-ring";
  ring.dataset["tone"] = tone;
  element.append(ring);
  const animation = ring.animate([{ opacity: 0.9, transform: "scale(1)" }, { opacity: 0, transform: "scale(1.12, 1.35)" }], BLINK_MS);
  pulses.run(animation, () => ring.remove());
}

function PulsingEdge(props: EdgeProps): ReactNode {
  const pulses = useContext(PulseContext);
  const group = useRef<SVGGElement>(null);
  const [path] = getBezierPath(props);
  useEffect(
    () => pulses?.add(props.id, (pulse, isForward) => travel(group.current, path, isForward, pulse, pulses)),
    [pulses, props.id, path],
  );
  return (
    <>
      <BaseEdge path={path} />
      <g ref={group} />
    </>
  );
}

function travel(group: SVGGElement | null, path: string, isForward: boolean, { tone }: Pulse, pulses: Pulses): void {
  if (!group || isStill()) return;
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  dot.setAttribute("r", "4.5");
  dot.setAttribute("class", "graph-dot");
  dot.dataset["tone"] = tone;
  dot.style.offsetPath = `path("${path}")`;
  group.append(dot);
  const steps = [{ offsetDistance: "0%" }, { offsetDistance: "100%" }];
  const animation = dot.animate(isForward ? steps : steps.reverse(), { duration: TRAVEL_MS, easing: "ease-in-out" });
  pulses.run(animation, () => dot.remove());
}

function isStill(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
