import { expect, test, vi } from "vitest";
import { Millrace } from "../src/index.js";
import { useCommandCenter, usePipelineMetrics } from "../src/react/index.js";
import { beginStream, frame, json, serve } from "./server.js";
import { eventually, mount } from "./screen.js";

test("the command center shows what runs, from a snapshot and the events after it", async () => {
  const run = { agentId: "a", agentName: "A", conversationId: "c", time: "2026-11-26T12:00:00Z" };
  const events = [
    { type: "run:started", runId: "run_2", ...run },
    { type: "run:progress", runId: "run_1", ...run, tokens: 7, cost: null },
    { type: "run:tool_started", runId: "run_2", ...run, tool: "calculator" },
    { type: "alert:triggered", alert: { ruleId: "rule_1", name: "Errors", triggeredAt: run.time } },
    { type: "run:completed", runId: "run_1", ...run, status: "completed" },
  ].map((event, index) => ({ id: String(48 + index), event }));
  const closed = vi.fn();
  const server = await serve((request, response) => {
    if (!request.url.includes("snapshot")) response.on("close", closed);
    if (request.url.includes("snapshot")) json(response, 200, { since: 47, runs: [{ runId: "run_1", tokens: 1 }], alerts: [], truncated: false });
    else beginStream(response).write(events.map(frame).join(""));
  });
  const client = new Millrace({ baseUrl: server.url });
  const seen: ReturnType<typeof useCommandCenter>[] = [];
  const Live = () => (seen.push(useCommandCenter(client, { agentIds: ["a"] })), null);
  const unmount = mount(<Live />);
  await eventually(() => expect(seen.at(-1)?.events).toHaveLength(5));
  expect(seen.at(-1)?.runs).toMatchObject([{ runId: "run_2", agentName: "A", status: "running", tool: "calculator", tokens: null }]);
  expect(seen.at(-1)?.alerts).toEqual([{ ruleId: "rule_1", name: "Errors", triggeredAt: run.time }]);
  expect(server.requests.at(-1)?.headers["last-event-id"]).toBe("47");
  expect(closed).not.toHaveBeenCalled();
  unmount();
  await vi.waitFor(() => expect(closed).toHaveBeenCalled());
});

test("a pipeline's metrics are asked for again and again, and an error keeps the last ones", async () => {
  const server = await serve((_, response) => {
    if (server.requests.length < 3) json(response, 200, { itemsProcessed: server.requests.length });
    else json(response, 404, { error: { code: "pipeline_not_found", message: "No." } });
  });
  const client = new Millrace({ baseUrl: server.url });
  const seen: ReturnType<typeof usePipelineMetrics>[] = [];
  const Metrics = () => (seen.push(usePipelineMetrics(client, "p1", { everyMs: 5 })), null);
  mount(<Metrics />);
  await eventually(() => expect(seen.at(-1)?.error).toMatchObject({ code: "pipeline_not_found" }));
  expect(seen.at(-1)?.metrics?.itemsProcessed).toBeGreaterThan(0);
});
