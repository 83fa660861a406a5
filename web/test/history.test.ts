import { expect, test } from "vitest";
import type { Block, Message } from "../src/api/types";
import { entriesFrom } from "../src/chat/history";

function message(id: string, role: Message["role"], content: readonly Block[], more: Partial<Message> = {}): Message {
  return { id, role, content, createdAt: "2026-03-02T09:00:00Z", runId: "r", ...more };
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
    text: "I look.\n\nAt nine.",
    usage: USAGE,
    cost: 0.1,
    steps: [
      { kind: "thinking", text: "Hm." },
      { kind: "tool", name: "clock", state: "ok", summary: '{"now":9}', arguments: { zone: "UTC" } },
    ],
  });
});

test("a live message stands between the parts of the answer, also in one message with results", () => {
  const live = message("3", "user", [RESULT, { text: "Hurry" }], { injected: true });
  const entries = entriesFrom([...RUN.slice(0, 2), live, ...RUN.slice(3)], null);
  expect(entries).toMatchObject([
    { kind: "user" },
    { kind: "answer", state: "continued", steps: [{ kind: "thinking" }, { state: "ok" }] },
    { kind: "user", text: "Hurry", delivery: "seen", messageId: "3" },
    { kind: "answer", state: "done", text: "At nine." },
  ]);
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
  expect(answer).toMatchObject({ steps: [{ state: "failed", summary: `${"x".repeat(200)}…` }] });
});

test("a result without its answer is passed over", () => {
  expect(entriesFrom([message("1", "user", [RESULT])], null)).toEqual([]);
});
