import { graphlib, layout } from "@dagrejs/dagre";
import type { Schemas } from "@millrace/client";
import type { Edge, Node } from "@xyflow/react";
import { agentNode, type LiveModel, toolNode } from "./model";

export type Pipeline = Schemas["Pipeline"];
export type NodeKind = "agent" | "tool" | "pipeline" | "destination";

export interface NodeData extends Record<string, unknown> {
  readonly kind: NodeKind;
  readonly label: string;
  readonly note: string;
}

export type GraphNode = Node<NodeData>;

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly Edge[];
}

const HEIGHT = 52;

/** The width of a node and the distance between layers, in pixels. */
interface Spacing {
  readonly width: number;
  readonly between: number;
}

const WIDE: Spacing = { width: 168, between: 90 };
/** On a phone, the whole graph is shown only if it is readable. */
const NARROW: Spacing = { width: 124, between: 36 };

function spacing(): Spacing {
  return matchMedia("(max-width: 46rem)").matches ? NARROW : WIDE;
}

/** The nodes: agents with their tools, the pipelines that runs feed, and their destinations. */
export function graphOf(model: LiveModel, pipelines: readonly Pipeline[], agentId: string | null): Graph {
  const parts = new Parts();
  for (const [id, name] of model.agents) {
    if (agentId !== null && id !== agentId) continue;
    parts.node(agentNode(id), "agent", name, "");
    for (const tool of model.tools.get(id) ?? []) {
      parts.node(toolNode(tool), "tool", tool, "tool");
      parts.edge(agentNode(id), toolNode(tool));
    }
  }
  for (const pipeline of pipelines) addPipeline(parts, pipeline, model, agentId);
  return parts.arranged();
}

/** Pipelines that runs feed are drawn after their agents, others separately. */
function addPipeline(parts: Parts, pipeline: Pipeline, model: LiveModel, agentId: string | null): void {
  const id = `pipeline:${pipeline.id}`;
  parts.node(id, "pipeline", pipeline.name, pipeline.state);
  for (const agent of agentsOf(pipeline, model)) {
    if (agentId === null || agent === agentId) parts.edge(agentNode(agent), id);
  }
  for (const destination of destinationsOf(pipeline)) {
    const target = `destination:${destination.label}`;
    parts.node(target, "destination", destination.label, destination.label === destination.type ? "destination" : destination.type);
    parts.edge(id, target);
  }
}

/** The pipelines that a completed run flows into, for pulses. */
export function pipelinesOf(agentId: string, pipelines: readonly Pipeline[], model: LiveModel): string[] {
  const fed = pipelines.filter((one) => one.state === "running" && agentsOf(one, model).includes(agentId));
  return fed.map(({ id }) => `pipeline:${id}`);
}

function agentsOf({ source }: Pipeline, model: LiveModel): string[] {
  if (source["type"] !== "agent_execution") return [];
  const named = source["agentIds"];
  return Array.isArray(named) && named.length > 0 ? named.map(String) : [...model.agents.keys()];
}

interface Target {
  readonly type: string;
  readonly label: string;
}

export function destinationsOf(pipeline: Pipeline): Target[] {
  const fields = pipeline as unknown as Record<string, unknown>;
  const all = [...(Array.isArray(fields["destinations"]) ? fields["destinations"] : []), fields["destination"]];
  return all.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null).map(targetOf);
}

function targetOf(destination: Record<string, unknown>): Target {
  const type = String(destination["type"] ?? "destination");
  return { type, label: hostOf(urlOf(destination)) ?? String(destination["name"] ?? type) };
}

function urlOf({ url, config }: Record<string, unknown>): unknown {
  return url ?? (typeof config === "object" && config !== null ? (config as Record<string, unknown>)["url"] : null);
}

function hostOf(url: unknown): string | null {
  return typeof url === "string" && URL.canParse(url) ? new URL(url).host : null;
}

class Parts {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #edges = new Map<string, Edge>();
  readonly #spacing = spacing();

  node(id: string, kind: NodeKind, label: string, note: string): void {
    this.#nodes.set(id, { id, type: "part", data: { kind, label, note }, position: { x: 0, y: 0 }, width: this.#spacing.width, height: HEIGHT });
  }

  edge(source: string, target: string): void {
    const id = `${source}>${target}`;
    if (this.#nodes.has(source)) this.#edges.set(id, { id, source, target, type: "pulsing" });
  }

  /** From left to right, by layers. */
  arranged(): Graph {
    const { width, between } = this.#spacing;
    const graph = new graphlib.Graph();
    graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: between });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const id of this.#nodes.keys()) graph.setNode(id, { width, height: HEIGHT });
    for (const { source, target } of this.#edges.values()) graph.setEdge(source, target);
    layout(graph);
    const nodes = [...this.#nodes.values()].map((node) => {
      const { x, y } = graph.node(node.id) as { x: number; y: number };
      return { ...node, position: { x: x - width / 2, y: y - HEIGHT / 2 } };
    });
    return { nodes, edges: [...this.#edges.values()] };
  }
}
