import { expect, test } from "vitest";
import { costsOf, sharesOf, type Timed, timelineOf } from "../src/pages/runs/timeline";

const START = Date.parse("2026-11-26T10:00:00.000Z");
type Event = Timed["event"];

function at(ms: number, event: object): Timed {
  return { id: `r.${ms}`, at: START + ms, event: event as Event };
}

function run(endedMs: number | null) {
  const endedAt = endedMs === null ? null : new Date(START + endedMs).toISOString();
  return { startedAt: new Date(START).toISOString(), endedAt };
}

const call = (ms: number, more: object = {}) =>
  ({ type: "run:llm_call", model: "m", tokens: { input: 10, output: 5 }, cost: 0.5, latencyMs: 100, firstTokenMs: 40, error: null,
    time: new Date(START + ms).toISOString(), ...more }) as never;

test("a run is told by its phases, its tools, its calls and its marks", () => {
  const events = [
    at(5, { type: "start", runId: "r" }),
    at(100, { type: "thinking", text: "hm" }),
    at(150, { type: "tool_call", id: "a", name: "search" }),
    at(160, { type: "tool_call", id: "b", name: "helper" }),
    at(170, { type: "tool_call", id: "c", name: "inner", parent: "b", agentId: "x" }),
    at(190, { type: "tool_result", id: "c", name: "inner", ok: false, parent: "b", agentId: "x" }),
    at(200, { type: "tool_result", id: "a", name: "search", ok: true, summary: "3 hits" }),
    at(300, { type: "tool_result", id: "b", name: "helper", ok: true }),
    at(310, { type: "injected", messageId: "m", content: "in blue" }),
    at(400, { type: "token", token: "Yes" }),
    at(450, { type: "done" }),
  ];
  const found = timelineOf(run(460), events, [call(120)], 0);
  expect(found.phases.map(({ kind, start, end }) => [kind, start - START, end - START])).toEqual([
    ["starting", 0, 5],
    ["model", 5, 100],
    ["thinking", 100, 150],
    ["tools", 150, 300],
    ["model", 300, 400],
    ["answer", 400, 450],
    ["finishing", 450, 460],
  ]);
  expect(found.work.map(({ kind, label, depth, state }) => [kind, label, depth, state])).toEqual([
    ["call", "m", 0, "ok"],
    ["tool", "search", 0, "ok"],
    ["agent", "helper", 0, "ok"],
    ["tool", "inner", 1, "failed"],
  ]);
  expect(found.marks).toEqual([{ kind: "message", label: "in blue", at: START + 310 }]);
});

test("the time between two processes is nobody's", () => {
  const events = [
    at(0, { type: "start", runId: "r" }),
    at(10, { type: "token", token: "a" }),
    at(6000, { type: "rewind", after: "r.1" }),
    at(6100, { type: "token", token: "b" }),
    at(6200, { type: "done" }),
  ];
  const { phases } = timelineOf(run(6200), events, [], 0);
  expect(phases.map(({ kind, start, end }) => [kind, end - start])).toEqual([
    ["model", 10],
    ["lost", 5990],
    ["model", 100],
    ["answer", 100],
  ]);
});

test("waiting for people ends with their answer", () => {
  const events = [
    at(0, { type: "start", runId: "r" }),
    at(10, { type: "tool_call", id: "a", name: "refund" }),
    at(20, { type: "approval_requested", callId: "a", name: "refund", kind: "approval", expiresAt: "" }),
    at(30, { type: "waiting", expiresAt: "" }),
    at(9000, { type: "approval_answered", callId: "a", decision: "approve" }),
    at(9010, { type: "tool_result", id: "a", name: "refund", ok: true }),
    at(9020, { type: "done" }),
  ];
  const { phases, marks } = timelineOf(run(9020), events, [], 0);
  expect(phases.map(({ kind, end, start }) => [kind, end - start])).toEqual([
    ["model", 10],
    ["tools", 20],
    ["waiting", 8970],
    ["tools", 10],
    ["model", 10],
  ]);
  expect(marks.map(({ kind }) => kind)).toEqual(["asked", "answered"]);
});

test("a run under way ends now, and a tool at work goes on until then", () => {
  const events = [at(0, { type: "start", runId: "r" }), at(10, { type: "tool_call", id: "a", name: "slow" })];
  const found = timelineOf(run(null), events, [], START + 500);
  expect(found.end).toBe(START + 500);
  expect(found.work[0]).toMatchObject({ state: "running", end: START + 500 });
});

/** Small numbers by a seed: the same every time. */
function numbers(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state % below;
  };
}

test("whatever happens, the phases add up to the run's duration without a gap", () => {
  const kinds = ["start", "token", "thinking", "tool_call", "tool_result", "waiting", "approval_answered", "injected", "rewind", "status"];
  for (let seed = 1; seed <= 300; seed += 1) {
    const pick = numbers(seed);
    let time = pick(50) - 10;
    const events: Timed[] = [];
    for (let count = pick(30); count > 0; count -= 1) {
      time += pick(3) * pick(400);
      const parent = pick(6) === 0 ? { parent: "t1", agentId: "x" } : {};
      events.push(at(time, { type: kinds[pick(kinds.length)], id: `t${pick(3)}`, name: "n", ok: true, ...parent }));
    }
    const { phases, start, end } = timelineOf(run(Math.max(0, time - 20 + pick(60))), events, [], 0);
    const sum = phases.reduce((total, phase) => total + phase.end - phase.start, 0);
    expect(sum).toBe(end - start);
    phases.forEach((phase, index) => expect(phase.start).toBe(phases[index - 1]?.end ?? start));
    expect(sharesOf(phases).reduce((total, { ms }) => total + ms, 0)).toBe(end - start);
  }
});

test("costs add up by model, and one unknown price makes a sum unknown", () => {
  expect(costsOf([call(1), call(2), call(3, { model: "n", cost: null }), call(4, { model: "n" })])).toEqual([
    { model: "m", calls: 2, input: 20, output: 10, cost: 1 },
    { model: "n", calls: 2, input: 20, output: 10, cost: null },
  ]);
});
