import { expect, test } from "vitest";
import { Journal } from "../src/chat/journal";
import { type Action, reduce } from "../src/chat/reducer";
import { type AnswerEntry, type ChatState, EMPTY_CHAT, type UserEntry, answerText, newAnswer } from "../src/chat/state";
import type { PartialRunEvent as RunEvent } from "@millrace/client";

const events = (...list: RunEvent[]): Action => ({ type: "events", events: list });
const ASKED: Action = { type: "asked", id: "q", text: "Question" };
const START: RunEvent = { type: "start", runId: "r", conversationId: "c", messageId: "m" };
const token = (text: string): RunEvent => ({ type: "token", token: text });
const DONE: RunEvent = { type: "done", usage: { input: 1, output: 2, total: 3 }, cost: null, finishReason: "stop" };
const INJECTED: RunEvent = { type: "injected", messageId: "m1", content: "Hurry" };

function after(...actions: Action[]): ChatState {
  return actions.reduce(reduce, EMPTY_CHAT);
}

function answerOf(state: ChatState): AnswerEntry {
  return state.entries.findLast((entry) => entry.kind === "answer") as AnswerEntry;
}

/** Each entry in a few characters. */
function outline(state: ChatState): string[] {
  return state.entries.map((entry) =>
    entry.kind === "user" ? `${entry.delivery}: ${entry.text}` : `${entry.state} answer: ${answerText(entry)}`,
  );
}

test("a question opens an answer that tokens fill and done closes", () => {
  const open = after(ASKED, events(START, token("Hel"), token("lo")));
  expect(open).toMatchObject({ phase: "answering", runId: "r" });
  expect(outline(open)).toEqual(["sent: Question", "open answer: Hello"]);
  const closed = reduce(open, events(DONE));
  expect(closed.phase).toBe("idle");
  expect(answerOf(closed)).toMatchObject({ state: "done", usage: { total: 3 }, cost: null, finishReason: "stop" });
});

test("one batch and single events lead to the same state", () => {
  const list = [START, token("a"), { type: "thinking", text: "t" } as const, token("b"), INJECTED, token("c"), DONE];
  expect(after(ASKED, events(...list))).toEqual(after(ASKED, ...list.map((event) => events(event))));
});

test("no event changes the state before it", () => {
  const before = after(ASKED, events(START, token("a")));
  const copy = structuredClone(before);
  reduce(before, events(token("b"), INJECTED, DONE));
  expect(before).toEqual(copy);
});

test("thinking grows into one step until something else happens", () => {
  const state = after(
    ASKED,
    events({ type: "thinking", text: "One " }, { type: "thinking", text: "thought" }),
    events({ type: "tool_call", id: "t", name: "clock" }, { type: "thinking", text: "Another" }),
  );
  expect(answerOf(state).parts.map((part) => ("name" in part ? part.name : "text" in part ? part.text : ""))).toEqual([
    "One thought",
    "clock",
    "Another",
  ]);
});

test("results find their own call when tools run side by side", () => {
  const state = after(
    ASKED,
    events(
      { type: "tool_call", id: "a", name: "first" },
      { type: "tool_call", id: "b", name: "second" },
      { type: "tool_result", id: "b", name: "second", ok: false, summary: "no", durationMs: 5 },
    ),
  );
  expect(answerOf(state).parts).toMatchObject([
    { id: "a", state: "running" },
    { id: "b", state: "failed", summary: "no", durationMs: 5 },
  ]);
});

test("a tool without a result does not seem to run after the end", () => {
  const state = after(ASKED, events({ type: "tool_call", id: "a", name: "first" }, DONE));
  expect(answerOf(state).parts).toMatchObject([{ state: "unknown" }]);
});

test("what the agent says and does stays in its order", () => {
  const tool: RunEvent = { type: "tool_call", id: "a", name: "first" };
  const state = after(ASKED, events(token("A"), tool, token("B"), token("C"), { type: "thinking", text: "t" }));
  expect(answerOf(state).parts).toMatchObject([
    { type: "text", text: "A" },
    { type: "tool", name: "first" },
    { type: "text", text: "BC" },
    { type: "thinking", text: "t" },
  ]);
  expect(answerText(answerOf(state))).toBe("A\n\nBC");
});

test("what a sub-agent does stands inside its call", () => {
  const call: RunEvent = { type: "tool_call", id: "a", name: "ask_writer" };
  const inner: RunEvent = { type: "tool_call", id: "b", name: "clock", parent: "a" };
  const state = after(ASKED, events(call, inner));
  expect(answerOf(state).parts).toMatchObject([{ name: "ask_writer", parts: [{ name: "clock" }] }]);
});

test("another answer takes the place of what stood behind its question", () => {
  const answered = after(ASKED, events(START, token("One"), DONE));
  const again = [{ type: "branched", from: "q/answer" }, { type: "asked_again", id: "n" }] as const;
  const state = again.reduce(reduce, answered);
  expect(outline(state)).toEqual(["sent: Question", "open answer: "]);
  expect(state.runId).toBeNull();
});

test("entries keep what they show when the server tells their ids", () => {
  const shown = after(ASKED, events(START, token("One"), DONE));
  const stored = [
    { kind: "user", id: "m1", text: "Question", delivery: "sent", messageId: "m1", parentId: null, siblings: ["m0", "m1"] },
    { ...newAnswer("m2"), messageId: "m3", firstId: "m2", runId: "r" },
  ] as const;
  const told = reduce(shown, { type: "identified", entries: stored });
  expect(told.entries).toMatchObject([
    { id: "q", messageId: "m1", parentId: null, siblings: ["m0", "m1"] },
    { id: "q/answer", messageId: "m3", firstId: "m2", parts: [{ text: "One" }] },
  ]);
  expect(reduce(shown, { type: "identified", entries: [stored[0]] }).entries).toEqual([stored[0]]);
});

test("an error keeps what was answered", () => {
  const state = after(ASKED, events(token("Half"), { type: "error", message: "Broken", code: "x", retryable: true }));
  expect(state.phase).toBe("idle");
  expect(answerOf(state)).toMatchObject({ parts: [{ text: "Half" }], failure: { message: "Broken", code: "x" } });
});

const INJECTING: Action = { type: "injecting", id: "l", text: "Hurry" };
const ACCEPTED: Action = { type: "accepted", id: "l", messageId: "m1" };

test("a live message waits below the answer and moves to where the agent read it", () => {
  const waiting = after(ASKED, events(token("One")), INJECTING, ACCEPTED, events(token("!")));
  expect(outline(waiting)).toEqual(["sent: Question", "open answer: One!", "accepted: Hurry"]);
  const seen = reduce(waiting, events(INJECTED, token("Two"), DONE));
  expect(outline(seen)).toEqual(["sent: Question", "continued answer: One!", "seen: Hurry", "done answer: Two"]);
});

test("a message that the agent read before the server's answer arrived stands there once", () => {
  const state = after(ASKED, INJECTING, events(token("One"), INJECTED), ACCEPTED);
  expect(outline(state)).toEqual(["sent: Question", "continued answer: One", "seen: Hurry", "open answer: "]);
});

test("an announcement that comes twice changes nothing", () => {
  const once = after(ASKED, INJECTING, ACCEPTED, events(token("One"), INJECTED, token("Two")));
  expect(reduce(once, events(INJECTED))).toEqual(once);
});

test("an answer that had not begun moves below the live message", () => {
  const state = after(ASKED, INJECTING, ACCEPTED, events(INJECTED));
  expect(outline(state)).toEqual(["sent: Question", "seen: Hurry", "open answer: "]);
});

test("an expired message is seen after all when the agent says so", () => {
  const state = after(ASKED, INJECTING, ACCEPTED, { type: "delivery", id: "l", delivery: "expired" }, events(INJECTED));
  expect((state.entries[1] as UserEntry).delivery).toBe("seen");
});

test("an accepted message outlives the run and stays below the next question", () => {
  const state = after(ASKED, events(token("One")), INJECTING, ACCEPTED, events(DONE), { ...ASKED, id: "q2" });
  expect(outline(state)).toEqual([
    "sent: Question",
    "done answer: One",
    "sent: Question",
    "open answer: ",
    "accepted: Hurry",
  ]);
});

test("loading keeps what waits for the agent, but not what is stored already", () => {
  const stored: UserEntry = { kind: "user", id: "m1", text: "Hurry", delivery: "seen", messageId: "m1" };
  const waiting = after(ASKED, INJECTING, ACCEPTED, { ...INJECTING, id: "other", text: "Wait" });
  const state = reduce(waiting, { type: "loaded", entries: [stored], runId: "r" });
  expect(outline(state)).toEqual(["seen: Hurry", "open answer: ", "sending: Wait"]);
  expect(state.phase).toBe("answering");
});

test("a turn is removed whole, what waits for the agent stays", () => {
  const first = after(ASKED, events(START, token("One"), DONE));
  const second = [{ ...ASKED, id: "q2" }, INJECTING, ACCEPTED, events(token("Two"), INJECTED)] as const;
  const waiting = [...second, { ...INJECTING, id: "w", text: "Wait" }, { type: "turn_removed" } as const];
  expect(outline(waiting.reduce(reduce, first))).toEqual(["sent: Question", "done answer: One", "sending: Wait"]);
});

test("a stop that failed can be tried again", () => {
  const failed = after(ASKED, { type: "stopping" }, { type: "stop_failed", notice: "No." });
  expect(failed).toMatchObject({ phase: "answering", notice: "No." });
  expect(after(ASKED, events(DONE), { type: "stop_failed", notice: "No." }).phase).toBe("idle");
});

test("events without an open answer change nothing that is shown", () => {
  const state = after(ASKED, events(DONE));
  expect(reduce(state, events(token("late"))).entries).toEqual(state.entries);
});

const LAST: RunEvent = { type: "token", token: "again" };
const TOOL: RunEvent = { type: "tool_call", id: "t", name: "clock" };
const RESULT: RunEvent = { type: "tool_result", id: "t", name: "clock", ok: true };

/** The state of a page that has received these events of one run, numbered from 1. */
function received(list: readonly RunEvent[]): ChatState {
  const journal = new Journal();
  let state = after(ASKED);
  journal.begin(state.entries);
  list.forEach((event, position) => {
    if (event.type === "rewind") return void (state = reduce(state, { type: "rewound", ...journal.rewind(event.after) }));
    journal.add(event, position + 1);
    state = reduce(state, events(event));
  });
  return state;
}

test("a rewind takes back what came after an event, and the answer goes on from there", () => {
  const kept = [START, token("Let me see."), TOOL, RESULT];
  const state = received([...kept, token("It is "), { type: "thinking", text: "?" }, { type: "rewind", after: "r.4" }, LAST, DONE]);
  expect(state).toEqual(received([...kept, LAST, DONE]));
  expect(outline(state)).toEqual(["sent: Question", "done answer: Let me see.\n\nagain"]);
});

test("a live message whose reading was taken back waits until the agent reads it again", () => {
  const before = received([START, token("a"), INJECTED, token("b"), { type: "rewind", after: "r.2" }]);
  expect(outline(before)).toEqual(["sent: Question", "open answer: a", "accepted: Hurry"]);
  const again = reduce(before, events(INJECTED, LAST, DONE));
  expect(outline(again)).toEqual(["sent: Question", "continued answer: a", "seen: Hurry", "done answer: again"]);
});

test("what was sent in this page meanwhile stays after a rewind", () => {
  const journal = new Journal();
  const asked = after(ASKED);
  journal.begin(asked.entries);
  journal.add(START, 1);
  const sent = [events(START, token("a")), { type: "injecting", id: "i", text: "Wait" }] as const;
  const state = reduce(sent.reduce(reduce, asked), { type: "rewound", ...journal.rewind("r.1") });
  expect(outline(state)).toEqual(["sent: Question", "open answer: ", "sending: Wait"]);
});
