import type { RunEvent } from "@millrace/client";
import { describe, expect, it } from "vitest";
import { appended, type Received, viewOf, withEnd } from "../src/pages/flows/execution";

const STEPS = [
  { name: "draft", type: "agent" },
  { name: "terms", type: "wait_for_input" },
  { name: "early", type: "end" },
  { name: "result", type: "end" },
];
const ASKED = { callId: "terms", kind: "input", name: "terms", prompt: "Which?", options: ["a", "b"], expiresAt: "2026-01-01T00:00:00Z" };
const RUN = [
  { type: "start", runId: "r", conversationId: "c" },
  { type: "flow_step_start", step: "draft", name: "draft" },
  { type: "tool_call", id: "1", name: "calculator", step: "draft" },
  { type: "token", token: "Hel", step: "draft" },
  { type: "token", token: "lo", step: "draft" },
  { type: "flow_step_complete", step: "draft", name: "draft", ok: true, durationMs: 9 },
  { type: "approval_requested", ...ASKED },
  { type: "waiting", calls: [], expiresAt: ASKED.expiresAt },
  { type: "approval_answered", callId: "terms", kind: "input", name: "terms", decision: "answer" },
  { type: "flow_step_skipped", step: "early", name: "early" },
  { type: "done", finishReason: "stop", result: 42, durationMs: 20 },
];

function log(events: readonly object[], from = 1): readonly Received[] {
  return events.map((event, at) => ({ event: event as RunEvent, id: `r.${from + at}` }));
}

function fold(received: readonly Received[]): readonly Received[] {
  return received.reduce<readonly Received[]>(appended, []);
}

describe("an execution of a flow", () => {
  it("is told step by step", () => {
    const at = (count: number) => viewOf(log(RUN.slice(0, count)));
    expect(at(3).steps["draft"]).toMatchObject({ state: "running", activity: "calls calculator" });
    expect(at(6).steps["draft"]).toMatchObject({ state: "completed", text: "Hello", durationMs: 9 });
    expect(at(8)).toMatchObject({ state: "waiting", asked: { step: "terms", choices: ["a", "b"] } });
    expect(at(9)).toMatchObject({ state: "running", asked: null, steps: { terms: { state: "completed" } } });
    const whole = withEnd(at(11), STEPS);
    expect(whole).toMatchObject({ state: "completed", result: 42, durationMs: 20 });
    expect(whole.steps).toMatchObject({ early: { state: "skipped" }, result: { state: "completed" } });
  });

  it("is the same when events come twice", () => {
    const events = log(RUN);
    expect(viewOf(fold([...events.slice(0, 7), ...events]))).toEqual(viewOf(events));
  });

  it("forgets what another process takes back", () => {
    const taken = fold([...log(RUN.slice(0, 4)), { event: { type: "rewind", after: "r.2" } as RunEvent, id: null }]);
    expect(viewOf([...taken, ...log(RUN.slice(4, 6), 5)]).steps["draft"]).toMatchObject({ text: "lo", state: "completed" });
  });

  it("ends with the error of its step, or with a rejection", () => {
    const failed = viewOf(log([...RUN.slice(0, 3), { type: "error", message: "No.", code: "x", step: "draft" }]));
    expect(failed).toMatchObject({ state: "failed", error: "No.", steps: { draft: { state: "failed" } } });
    const rejection = { ...RUN[8], decision: "reject" };
    const stopped = viewOf(log([...RUN.slice(0, 8), rejection, { type: "done", finishReason: "rejected" }]));
    expect(stopped).toMatchObject({ state: "stopped", steps: { terms: { state: "failed" } } });
  });

  it("knows the answers to tools from those to steps", () => {
    const view = viewOf(log([...RUN.slice(0, 2), { type: "approval_answered", callId: "call_1", kind: "approval", name: "x", decision: "approve" }]));
    expect(Object.keys(view.steps)).toEqual(["draft"]);
  });
});
