import { expect, test } from "vitest";
import { completeAsks, contentOf, decisionText } from "../src/chat/asks";
import { type Action, reduce } from "../src/chat/reducer";
import { type AnswerEntry, type ChatState, EMPTY_CHAT, isRunning, newAnswer } from "../src/chat/state";
import { type PartialRunEvent as RunEvent, type Schemas, parseRunEvent } from "@millrace/client";

const events = (...list: RunEvent[]): Action => ({ type: "events", events: list });
const ASKED: Action = { type: "asked", id: "q", text: "Refund 7" };
const START: RunEvent = { type: "start", runId: "r", conversationId: "c", messageId: "m" };
const REQUESTED: RunEvent = {
  type: "approval_requested",
  callId: "c1",
  kind: "approval",
  name: "refund",
  arguments: {},
  expiresAt: "2026-12-26T09:00:00.000Z",
};
const WAITING: RunEvent = { type: "waiting", expiresAt: "2026-12-26T09:00:00.000Z" };
const APPROVAL: Schemas["WaitingCall"] = {
  ...{ conversationId: "c", threadId: null, agentId: "a", agentName: "A", path: [], approvers: {}, requestedBy: null },
  ...{ state: "waiting", answer: null },
  runId: "r",
  callId: "c1",
  kind: "approval",
  name: "refund",
  arguments: { amount: 80 },
  prompt: null,
  options: [],
  schema: { type: "object" },
  requestedAt: "2026-11-26T09:00:00.000Z",
  expiresAt: "2026-12-26T09:00:00.000Z",
  canAnswer: true,
};

function after(...actions: Action[]): ChatState {
  return actions.reduce(reduce, EMPTY_CHAT);
}

function answerOf(state: ChatState): AnswerEntry {
  return state.entries.findLast((entry) => entry.kind === "answer") as AnswerEntry;
}

test("a run that waits shows what it waits for, and goes on when it is answered", () => {
  const waiting = after(ASKED, events(START, REQUESTED, WAITING));
  expect(waiting.phase).toBe("waiting");
  expect(isRunning(waiting)).toBe(true);
  expect(answerOf(waiting).asks).toMatchObject([{ callId: "c1", state: "waiting", canAnswer: null }]);
  const going = reduce(
    waiting,
    events({ type: "approval_answered", callId: "c1", decision: "approve" }, { type: "token", token: "Paid." }),
  );
  expect(going.phase).toBe("answering");
  expect(answerOf(going).asks).toMatchObject([{ state: "answered", decision: "approve" }]);
});

test("the server tells who may answer, and with which arguments", () => {
  const shown = after(ASKED, events(START, REQUESTED, WAITING), { type: "approvals", approvals: [APPROVAL] });
  expect(answerOf(shown).asks).toMatchObject([{ canAnswer: true, arguments: { amount: 80 } }]);
});

test("a page that comes while the run waits shows it before, and once after, the replayed events", () => {
  const loaded = after(
    { type: "loaded", entries: [], runId: "r" },
    { type: "approvals", approvals: [APPROVAL] },
    events(WAITING),
  );
  expect(answerOf(loaded).asks).toHaveLength(1);
  const replayed = reduce(loaded, events(START, REQUESTED, WAITING));
  expect(answerOf(replayed).asks).toHaveLength(1);
  expect(replayed.phase).toBe("waiting");
});

test("the answer of a run whose events are no longer kept is opened again", () => {
  const stored = newAnswer("m", { state: "done", parts: [{ type: "text", text: "I ask." }] });
  const loaded = after({ type: "loaded", entries: [stored], runId: "r", reopens: true });
  expect(loaded.entries).toHaveLength(1);
  expect(answerOf(loaded)).toMatchObject({ state: "open", parts: [{ text: "I ask." }] });
});

test("an answer that is refused can be given again, and says why", () => {
  const waiting = after(ASKED, events(START, REQUESTED, WAITING), { type: "approvals", approvals: [APPROVAL] });
  const sending = reduce(waiting, { type: "answering_call", callId: "c1" });
  expect(answerOf(sending).asks).toMatchObject([{ state: "sending" }]);
  const refused = reduce(sending, { type: "call_refused", callId: "c1", note: "Not you." });
  expect(answerOf(refused).asks).toMatchObject([{ state: "waiting", note: "Not you." }]);
});

test("an answered call stays answered, whatever an older list says", () => {
  const asks = answerOf(after(ASKED, events(START, REQUESTED))).asks.map((ask) => ({ ...ask, state: "answered" as const }));
  expect(completeAsks(asks, [APPROVAL])).toMatchObject([{ state: "answered" }]);
});

test("answers are texts, or JSON where the question has a schema", () => {
  const [ask] = completeAsks([], [APPROVAL]);
  if (!ask) throw new Error("no ask");
  expect(contentOf({ ...ask, schema: null }, "blue")).toBe("blue");
  expect(contentOf(ask, '{"size": 42}')).toEqual({ size: 42 });
  expect(() => contentOf(ask, "blue")).toThrow(SyntaxError);
});

test.each([
  ["approve", null, "Approved"],
  ["answer", null, "Answered"],
  ["reject", null, "Rejected"],
  ["reject", "expired", "Not answered in time"],
])("%s (%s) is told as %s", (decision, reason, text) => {
  expect(decisionText({ decision, reason })).toBe(text);
});

test("an event without its call is none that this page knows", () => {
  expect(parseRunEvent('{"type":"approval_requested","kind":"approval","expiresAt":"x"}')).toBeNull();
});
