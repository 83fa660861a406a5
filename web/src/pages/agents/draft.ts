import type { Schemas } from "@millrace/client";

type Agent = Schemas["Agent"];
type ToolUse = Schemas["ToolUse"];

export type Rule = "auto" | "ask" | "when";

/** A tool in the editor. `when` is the expression of a rule that asks only for some calls. */
export interface DraftTool {
  readonly name: string;
  readonly rule: Rule;
  readonly when: string;
  /** Fields that the editor keeps but does not show. */
  readonly rest: Readonly<Record<string, unknown>>;
}

export interface DraftServer {
  /** For React only. */
  readonly key: number;
  readonly name: string;
  readonly url: string;
  readonly headers: string;
  readonly scope: string;
  /** The only tools of an MCP server to use, one per line; empty for all. */
  readonly tools: string;
}

/** An agent in the editor. Fields that it does not know are kept in `rest`. */
export interface Draft {
  readonly name: string;
  readonly description: string;
  readonly model: string;
  readonly instructions: string;
  readonly tools: readonly DraftTool[];
  readonly mcpServers: readonly DraftServer[];
  readonly a2aAgents: readonly DraftServer[];
  readonly visibility: NonNullable<Agent["visibility"]>;
  readonly exposeA2A: boolean;
  readonly starters: readonly string[];
  readonly limits: Readonly<Record<LimitName, string>>;
  readonly rest: Readonly<Record<string, unknown>>;
}

export const LIMITS = ["maxIterations", "maxTokens", "maxSeconds", "maxCost"] as const;
export type LimitName = (typeof LIMITS)[number];
export const MOST_STARTERS = 3;
const READ_ONLY = ["id", "builtin", "createdAt", "updatedAt"];
const EDITED = new Set([
  ...["name", "description", "model", "instructions", "tools", "mcpServers", "a2aAgents", "visibility", "exposeA2A"],
  ...["starters", "limits", ...READ_ONLY],
]);

export const EMPTY: Draft = draftOf({ name: "", limits: {} } as Agent);

let keys = 0;

export function draftOf(agent: Agent): Draft {
  const given = agent as Agent & { starters?: readonly string[] };
  return {
    name: agent.name,
    description: agent.description ?? "",
    model: agent.model ?? "",
    instructions: agent.instructions ?? "",
    tools: (agent.tools ?? []).map(draftTool),
    mcpServers: (agent.mcpServers ?? []).map(draftServer),
    a2aAgents: (agent.a2aAgents ?? []).map(draftServer),
    visibility: agent.visibility ?? "full",
    exposeA2A: agent.exposeA2A ?? false,
    starters: given.starters ?? [],
    limits: Object.fromEntries(LIMITS.map((name) => [name, String(agent.limits?.[name] ?? "")])) as Draft["limits"],
    rest: Object.fromEntries(Object.entries(agent).filter(([name]) => !EDITED.has(name))),
  };
}

function draftTool(tool: string | ToolUse): DraftTool {
  if (typeof tool === "string") return { name: tool, rule: "auto", when: "", rest: {} };
  const { name, policy = "auto", ...rest } = tool;
  const kept = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  return typeof policy === "object" ? { name, rule: "when", when: policy.ask, rest: kept } : { name, rule: policy, when: "", rest: kept };
}

type Server = Schemas["McpServer"] | Schemas["A2aAgent"];

function draftServer(server: Server): DraftServer {
  const headers = Object.entries(server.headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  const tools = "tools" in server && server.tools ? server.tools : [];
  return { ...newServer(), name: server.name, url: server.url, headers: headers.join("\n"), scope: server.scope ?? "", tools: tools.join("\n") };
}

export function newServer(): DraftServer {
  keys += 1;
  return { key: keys, name: "", url: "", headers: "", scope: "", tools: "" };
}

/** Returns the API's body for a draft. */
export function settingsOf(draft: Draft): Schemas["NewAgent"] {
  const { tools, mcpServers, a2aAgents, limits, starters, rest, ...plain } = draft;
  const filled = starters.map((prompt) => prompt.trim()).filter(Boolean);
  return {
    ...rest,
    ...plain,
    tools: tools.map(toolOf),
    mcpServers: mcpServers.map((server) => ({ ...serverOf(server), tools: linesOf(server.tools) })),
    a2aAgents: a2aAgents.map(serverOf),
    limits: limitsOf(limits),
    starters: filled,
  };
}

function toolOf({ name, rule, when, rest }: DraftTool): string | ToolUse {
  const policy = rule === "when" ? { ask: when } : rule;
  return rule === "auto" && Object.keys(rest).length === 0 ? name : { name, policy, ...rest };
}

function serverOf({ name, url, headers, scope }: DraftServer) {
  const pairs = (linesOf(headers) ?? []).map((line) => {
    const [header = "", ...value] = line.split(":");
    return [header.trim(), value.join(":").trim()];
  });
  return { name, url, headers: Object.fromEntries(pairs) as Record<string, string>, scope };
}

function linesOf(text: string): string[] | null {
  const lines = text.split("\n").map((line) => line.trim());
  const filled = lines.filter(Boolean);
  return filled.length > 0 ? filled : null;
}

/** An empty limit means the default. */
function limitsOf(limits: Draft["limits"]): Record<string, number> {
  const given = Object.entries(limits).filter(([, value]) => value.trim() !== "");
  return Object.fromEntries(given.map(([name, value]) => [name, Number(value)]));
}
