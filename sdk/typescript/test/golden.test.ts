import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type PartialRunEvent, RunReducer, type RunState, extendParts, textOf } from "../src/index.js";

const GOLDEN = new URL("../../golden/", import.meta.url);
const NAMES = readdirSync(GOLDEN).flatMap((name) => (name.endsWith(".jsonl") ? name.slice(0, -6) : []));

interface Line {
  readonly id: string | null;
  readonly event: PartialRunEvent;
}

function linesOf(name: string): Line[] {
  const text = readFileSync(new URL(`${name}.jsonl`, GOLDEN), "utf8");
  return text.trim().split("\n").map((line) => JSON.parse(line) as Line);
}

function stateOf(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), "utf8"));
}

function reduced(lines: readonly Line[]): RunState {
  const run = new RunReducer();
  for (const { id, event } of lines) run.add(event, id);
  return run.state;
}

test("there are golden files, each with its state", () => {
  expect(NAMES.length).toBeGreaterThan(15);
  expect(readdirSync(GOLDEN).filter((name) => name.endsWith(".json"))).toHaveLength(NAMES.length);
});

describe.each(NAMES)("the events of %s", (name) => {
  const lines = linesOf(name);

  test("lead to the state that both clients know", () => {
    expect(reduced(lines)).toEqual(stateOf(name));
  });

  test("lead there wherever a stream is cut and told again from any earlier event", () => {
    for (let cut = 0; cut <= lines.length; cut += 1) {
      for (let from = 0; from <= cut; from += 1) {
        const again = lines.slice(from, cut).filter((line) => line.id !== null && runOf(line) === lastRun(lines, cut));
        expect(reduced([...lines.slice(0, cut), ...again, ...lines.slice(cut)])).toEqual(stateOf(name));
      }
    }
  });
});

/** A server tells again only events of the run that a cursor names. */
function lastRun(lines: readonly Line[], cut: number): string | undefined {
  return runOf(lines.slice(0, cut).findLast(({ id }) => id !== null));
}

function runOf(line: Line | undefined): string | undefined {
  return line?.id?.split(".")[0];
}

test("an event that changes nothing gives the same state, so that nothing is drawn", () => {
  const run = new RunReducer();
  const before = run.add({ type: "token", token: "a" }, "r.1");
  expect(run.add({ type: "token", token: "a" }, "r.1")).toBe(before);
  expect(run.add({ type: "heartbeat" } as unknown as PartialRunEvent, null)).toBe(before);
});

test("earlier states are not changed by later events", () => {
  const parts = extendParts([], { type: "token", token: "a" });
  expect(extendParts(parts, { type: "token", token: "b" })).toEqual([{ type: "text", text: "ab" }]);
  expect(textOf(parts)).toBe("a");
});
