import { expect, test } from "vitest";
import { entriesFrom } from "../src/chat/history";
import { reduce } from "../src/chat/reducer";
import { type AnswerEntry, EMPTY_CHAT, type Entry } from "../src/chat/state";
import { footnotes } from "../src/pages/chat/format";
import type { PartialRunEvent as RunEvent, Schemas } from "@millrace/client";

type Message = Schemas["Message"];
type Block = Schemas["ContentBlock"];

function message(id: string, role: Message["role"], content: Block[], more: Partial<Message> = {}): Message {
  return { id, role, content, createdAt: "2026-03-02T09:00:00Z", runId: "r", parentId: null, ...more };
}

const CALL: Block = { toolUse: { toolUseId: "t", name: "clock", input: { zone: "UTC" } } };
const RESULT: Block = { toolResult: { toolUseId: "t", status: "success", content: [{ json: { now: 9 } }] } };
const THOUGHT: Block = { reasoningContent: { reasoningText: { text: "Hm." } } };
const USAGE = { input: 1, output: 2, total: 3 };

const RUN = [
  message("1", "user", [{ text: "When?" }]),
  message("2", "assistant", [THOUGHT, { text: "I look." }, CALL]),
  message("3", "user", [RESULT]),
  message("4", "assistant", [{ text: "At nine." }], { usage: USAGE, cost: 0.1 }),
];

test("all messages of a run are one question and one answer with its steps", () => {
  const [question, answer, ...rest] = entriesFrom(RUN, null);
  expect(rest).toEqual([]);
  expect(question).toMatchObject({ kind: "user", text: "When?", delivery: "sent" });
  expect(answer).toMatchObject({
    kind: "answer",
    state: "done",
    usage: USAGE,
    cost: 0.1,
    parts: [
      { type: "thinking", text: "Hm." },
      { type: "text", text: "I look." },
      { type: "tool", name: "clock", state: "ok", summary: '{"now":9}', arguments: { zone: "UTC" } },
      { type: "text", text: "At nine." },
    ],
  });
});

test("a live message stands between the parts of the answer, also in one message with results", () => {
  const live = message("3", "user", [RESULT, { text: "Hurry" }], { injected: true });
  const entries = entriesFrom([...RUN.slice(0, 2), live, ...RUN.slice(3)], null);
  expect(entries).toMatchObject([
    { kind: "user" },
    { kind: "answer", state: "continued", parts: [{ type: "thinking" }, { type: "text" }, { state: "ok" }] },
    { kind: "user", text: "Hurry", delivery: "seen", messageId: "3" },
    { kind: "answer", state: "done", parts: [{ type: "text", text: "At nine." }] },
  ]);
});

test("approvals of an agent that shows answers only are shown in its answer", () => {
  const expiresAt = "2026-03-03T09:00:00Z";
  const steps: RunEvent[] = [
    { type: "approval_requested", callId: "t", kind: "approval", expiresAt },
    { type: "approval_answered", callId: "t", decision: "approve" },
  ];
  const [question, answer, ...rest] = entriesFrom([RUN[0]!, message("3", "user", [], { steps }), RUN[3]!], null);
  expect(rest).toEqual([]);
  expect(question).toMatchObject({ kind: "user", text: "When?" });
  expect(answer).toMatchObject({
    kind: "answer",
    messageId: "4",
    firstId: "4",
    asks: [{ callId: "t", state: "answered", decision: "approve" }],
    parts: expect.arrayContaining([{ type: "text", text: "At nine." }]),
  });
});

test("of the active run only the question is kept", () => {
  const earlier = RUN.map((one) => ({ ...one, runId: "earlier" }));
  const live = message("5", "user", [{ text: "Hurry" }], { injected: true });
  const entries = entriesFrom([...earlier, ...RUN, live], "r");
  expect(entries.map((entry) => entry.kind)).toEqual(["user", "answer", "user"]);
});

test("an interrupted answer says that it was stopped", () => {
  const entries = entriesFrom([message("1", "assistant", [{ text: "Ha" }], { interrupted: true })], null);
  expect(entries).toMatchObject([{ finishReason: "stopped" }]);
});

test("a failed tool and a long result are shown as such", () => {
  const long: Block = { toolResult: { toolUseId: "t", status: "error", content: [{ text: "x".repeat(999) }] } };
  const [answer] = entriesFrom([message("1", "assistant", [CALL]), message("2", "user", [long])], null);
  expect(answer).toMatchObject({ parts: [{ state: "failed", summary: `${"x".repeat(200)}…` }] });
});

test("a result without its answer is passed over", () => {
  expect(entriesFrom([message("1", "user", [RESULT])], null)).toEqual([]);
});

/** What a stream shows of a run, and what the server stores of it. */
const STEPS: RunEvent[] = [
  { type: "thinking", text: "Let me look." },
  { type: "tool_call", id: "t", name: "clock", arguments: {} },
  { type: "tool_result", id: "t", name: "clock", ok: true, summary: "nine", durationMs: 12 },
];
const FIGURES = { usage: USAGE, cost: 0.1, finishReason: "stop", durationMs: 900, firstTokenMs: 300 };

function watched(...events: RunEvent[]): Entry | undefined {
  const asked = reduce(EMPTY_CHAT, { type: "asked", id: "q", text: "When?" });
  return reduce(asked, { type: "events", events }).entries.at(-1);
}

function reloaded(...messages: Message[]): Entry | undefined {
  return entriesFrom([message("1", "user", [{ text: "When?" }]), ...messages], null).at(-1);
}

/** The ids are those of different requests. */
function withoutId(entry: Entry | undefined): unknown {
  return { ...entry, id: "", runId: "", messageId: "", firstId: "" };
}

test("a page that is loaded again shows the answer that the page that watched showed", () => {
  const seen = watched(
    STEPS[0]!,
    { type: "token", token: "I look." },
    STEPS[1]!,
    STEPS[2]!,
    { type: "thinking", text: "Ah." },
    { type: "token", token: "At nine." },
    { type: "done", ...FIGURES },
  );
  const again = reloaded(
    message("2", "assistant", [{ text: "I look." }, { toolUse: { toolUseId: "t", name: "clock", input: {} } }], {
      steps: STEPS.slice(0, 2),
    }),
    message("3", "user", [{ toolResult: { toolUseId: "t", status: "success", content: [] } }], { steps: [STEPS[2]!] }),
    message("4", "assistant", [{ text: "At nine." }], { steps: [{ type: "thinking", text: "Ah." }], ...FIGURES }),
  );
  expect(withoutId(again)).toEqual(withoutId(seen));
});

test("a failed run stays failed", () => {
  const error = { message: "Broke off.", code: "incomplete_response" };
  const seen = watched({ type: "token", token: "Ha" }, { type: "error", ...error, retryable: true });
  const again = reloaded(
    message("2", "assistant", [{ text: "Ha" }], { interrupted: true, error, finishReason: "error", durationMs: 5 }),
  );
  expect(withoutId(again)).toEqual(withoutId(seen));
});

test("what was saved of a lost run in one message shows its steps in order", () => {
  const error = { message: "The process is gone.", code: "run_lost" };
  const steps: RunEvent[] = [...STEPS, { type: "thinking", text: "Ah." }];
  const seen = watched(...steps, { type: "token", token: "At" }, { type: "error", ...error, retryable: true });
  const again = reloaded(message("2", "assistant", [{ text: "At" }], { interrupted: true, steps, error }));
  expect(withoutId(again)).toEqual(withoutId(seen));
});

test("a run that was stopped before its first word stays stopped", () => {
  const end = { ...FIGURES, finishReason: "stopped" };
  const again = reloaded(message("2", "assistant", [], { interrupted: true, ...end }));
  expect(withoutId(again)).toEqual(withoutId(watched({ type: "done", ...end })));
});

test("how long the agent thought is known after the run, and the same after a reload", () => {
  const done: RunEvent = { type: "done", ...FIGURES };
  const shown = reduce(EMPTY_CHAT, { type: "asked", id: "q", text: "When?" });
  const over = reduce(shown, { type: "events", events: [STEPS[0]!, { type: "token", token: "At nine." }, done] });
  const thought = { ...STEPS[0]!, durationMs: 2100 };
  const answer = message("2", "assistant", [{ text: "At nine." }], { steps: [thought], ...FIGURES });
  const stored = entriesFrom([message("1", "user", [{ text: "When?" }]), answer], null);
  const told = reduce(over, { type: "thought", entries: stored }).entries.at(-1);
  expect(told).toMatchObject({ parts: [{ type: "thinking", text: "Let me look.", durationMs: 2100 }, { type: "text" }] });
  expect(withoutId(told)).toEqual(withoutId(stored.at(-1)));
  expect(footnotes(told as AnswerEntry)).toEqual(["3 tokens", "$0.10", "first token 300 ms", "900 ms"]);
});
