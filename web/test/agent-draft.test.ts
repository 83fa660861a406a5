import type { Schemas } from "@millrace/client";
import { describe, expect, it } from "vitest";
import { draftOf, settingsOf } from "../src/pages/agents/draft";

const AGENT = {
  id: "helper",
  builtin: false,
  name: "Helper",
  description: "Helps.",
  model: "demo:",
  instructions: "Be kind.",
  tools: [
    "calculator",
    { name: "http_fetch", policy: "ask", approvers: { role: "lead" }, expires: 60 },
    { name: "pay", policy: { ask: "amount > 50" } },
  ],
  mcpServers: [{ name: "docs", url: "https://example.com/mcp", headers: { Authorization: "[hidden]", "X-Time": "10:30" }, scope: "", tools: ["search"] }],
  a2aAgents: [{ name: "other", url: "https://example.com", headers: {}, scope: "chat" }],
  visibility: "steps",
  exposeA2A: true,
  starters: ["Hello"],
  limits: { maxIterations: 3, maxTokens: 100, maxSeconds: 60, maxCost: null },
  thinkingTokens: 2048,
  onExpired: "fail",
} as unknown as Schemas["Agent"];

describe("an agent in the editor", () => {
  it("is saved as it was when nothing is changed", () => {
    const { id: _, builtin: __, ...settings } = AGENT;
    const { maxCost: ___, ...limits } = AGENT.limits as Record<string, number | null>;
    expect(settingsOf(draftOf(AGENT))).toEqual({ ...settings, limits });
  });

  it("keeps what the editor does not show", () => {
    const draft = draftOf(AGENT);
    expect(settingsOf({ ...draft, name: "Other" })).toMatchObject({ name: "Other", thinkingTokens: 2048, onExpired: "fail" });
    const tools = draft.tools.map((tool) => ({ ...tool, rule: "auto" as const }));
    expect(settingsOf({ ...draft, tools }).tools).toEqual(["calculator", { name: "http_fetch", policy: "auto", approvers: { role: "lead" }, expires: 60 }, "pay"]);
  });

  it("asks by the expression of its rule", () => {
    const [, , pay] = draftOf(AGENT).tools;
    expect(pay).toMatchObject({ rule: "when", when: "amount > 50" });
  });
});
