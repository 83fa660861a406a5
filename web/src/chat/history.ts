import type { Block, Message } from "../api/types";
import { type AnswerEntry, type Entry, type Step, newAnswer } from "./state";

type ToolResult = NonNullable<Block["toolResult"]>;

/**
 * The entries that stored messages make: all assistant messages of one run are one answer, tool results are its steps.
 *
 * Of the run `activeRunId` only the question is kept: the stream brings the rest, from its beginning.
 */
export function entriesFrom(messages: readonly Message[], activeRunId: string | null): Entry[] {
  const entries: Entry[] = [];
  for (const message of messages) {
    const isReplayed = activeRunId !== null && message.runId === activeRunId;
    if (isReplayed && (message.role === "assistant" || message.injected || !textOf(message))) continue;
    if (message.role === "assistant") addToAnswer(entries, message);
    else addFromUser(entries, message);
  }
  return entries;
}

function addFromUser(entries: Entry[], message: Message): void {
  for (const { toolResult } of message.content) {
    if (toolResult) changeLastAnswer(entries, (answer) => ({ ...answer, steps: finish(answer.steps, toolResult) }));
  }
  const text = textOf(message);
  if (!text) return;
  const delivery = message.injected ? "seen" : "sent";
  if (message.injected) changeLastAnswer(entries, (answer) => ({ ...answer, state: "continued" }));
  entries.push({ kind: "user", id: message.id, text, delivery, ...(message.injected && { messageId: message.id }) });
}

function addToAnswer(entries: Entry[], message: Message): void {
  if (entries.at(-1)?.kind !== "answer") entries.push(newAnswer(message.id, { state: "done" }));
  changeLastAnswer(entries, (answer) => ({
    ...answer,
    text: [answer.text, textOf(message)].filter(Boolean).join("\n\n"),
    steps: [...answer.steps, ...message.content.flatMap(stepsOf)],
    usage: message.usage ?? answer.usage,
    cost: message.cost ?? answer.cost,
    finishReason: message.interrupted ? "stopped" : answer.finishReason,
  }));
}

/** Changes the answer at the end; a result that follows no answer belongs to nothing that is shown. */
function changeLastAnswer(entries: Entry[], change: (answer: AnswerEntry) => AnswerEntry): void {
  const last = entries.at(-1);
  if (last?.kind === "answer") entries[entries.length - 1] = change(last);
}

function textOf(message: Message): string {
  return message.content.map((block) => block.text ?? "").join("");
}

function stepsOf(block: Block): Step[] {
  const thinking = block.reasoningContent?.reasoningText?.text;
  if (thinking) return [{ kind: "thinking", text: thinking }];
  if (!block.toolUse) return [];
  const { toolUseId, name, input } = block.toolUse;
  return [{ kind: "tool", id: toolUseId, name, state: "unknown", arguments: input }];
}

function finish(steps: readonly Step[], result: ToolResult): readonly Step[] {
  const state = result.status === "error" ? "failed" : "ok";
  return steps.map((step) =>
    step.kind === "tool" && step.id === result.toolUseId ? { ...step, state, summary: summaryOf(result) } : step,
  );
}

const SUMMARY_LENGTH = 200;

function summaryOf(result: ToolResult): string {
  const parts = (result.content ?? []).map((part) => part.text ?? JSON.stringify(part.json ?? null));
  const text = parts.join(" ").replace(/\s+/g, " ");
  return text.length > SUMMARY_LENGTH ? `${text.slice(0, SUMMARY_LENGTH)}…` : text;
}
