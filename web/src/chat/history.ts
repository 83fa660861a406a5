import type { PartialRunEvent as RunEvent, Schemas } from "@millrace/client";
import { extendAnswer, failAnswer } from "./answer";
import { type AnswerEntry, type Attachment, type Entry, type Failure, newAnswer } from "./state";

type Message = Schemas["Message"];
type Block = Schemas["ContentBlock"];

/**
 * Returns the entries for stored messages: all assistant messages of a run are one answer, and what happened before it
 * are its steps. The same functions build them as for a stream, so a page that is loaded again shows what a page that
 * watched has shown.
 *
 * Of the run `activeRunId`, only the question is used, because the stream has the rest from its beginning.
 */
export function entriesFrom(messages: readonly Message[], activeRunId: string | null): Entry[] {
  const entries: Entry[] = [];
  for (const message of messages) {
    const isReplayed = activeRunId !== null && message.runId === activeRunId;
    if (isReplayed && (message.role === "assistant" || message.injected || !says(message))) continue;
    if (message.role === "assistant") addToAnswer(entries, message);
    else addFromUser(entries, message);
  }
  return entries;
}

function addFromUser(entries: Entry[], message: Message): void {
  const steps = stepsOf(message);
  // An agent that shows only answers has approvals, but no calls before them.
  if (steps.some((step) => step.type === "approval_requested")) beginAnswer(entries, message);
  changeLastAnswer(entries, (answer) => steps.reduce(extendAnswer, answer));
  if (!says(message)) return;
  const text = textOf(message);
  const attachments = attachmentsOf(message.content);
  const delivery = message.injected ? "seen" : "sent";
  if (message.injected) changeLastAnswer(entries, (answer) => ({ ...answer, state: "continued" }));
  entries.push({
    kind: "user",
    id: message.id,
    text,
    delivery,
    ...(attachments.length > 0 && { attachments }),
    messageId: message.id,
    ...(message.parentId !== undefined && { parentId: message.parentId }),
    ...(message.siblings && { siblings: message.siblings }),
  });
}

function addToAnswer(entries: Entry[], message: Message): void {
  beginAnswer(entries, message);
  changeLastAnswer(entries, (answer) => endOf(message, toldBy(message, eventsOf(message).reduce(extendAnswer, answer))));
}

/** Whether the last entry is an answer of the message's run. */
function beginAnswer(entries: Entry[], message: Message): void {
  const last = entries.at(-1);
  if (last?.kind === "answer" && (!message.runId || last.runId === message.runId)) return;
  entries.push(newAnswer(message.id, { state: "done", runId: message.runId ?? null }));
}

/** The last message of a run is its answer; the first one has the alternatives. */
function toldBy({ id, siblings }: Message, answer: AnswerEntry): AnswerEntry {
  return { ...answer, messageId: id, firstId: answer.firstId ?? id, siblings: siblings ?? answer.siblings };
}

/** A model thinks, speaks, and then calls its tools, so the text comes before the calls that end its turn. */
function eventsOf(message: Message): RunEvent[] {
  const steps = stepsOf(message);
  const text = textOf(message);
  const spoken: RunEvent[] = text ? [{ type: "token", token: text }] : [];
  const calls = steps.findLastIndex((step) => step.type !== "tool_call") + 1;
  return [...steps.slice(0, calls), ...spoken, ...steps.slice(calls)];
}

/** Returns the answer with the end of its run, if this message has it. */
function endOf(message: Message, answer: AnswerEntry): AnswerEntry {
  const { error, finishReason, usage, cost, durationMs, firstTokenMs } = message;
  if (error) return failAnswer(answer, failureOf(error));
  const reason = finishReason ?? (message.interrupted ? "stopped" : undefined);
  if (!reason) return { ...answer, usage: usage ?? answer.usage, cost: cost ?? answer.cost };
  return extendAnswer(answer, {
    type: "done",
    finishReason: reason,
    ...(usage && { usage }),
    ...(typeof cost === "number" && { cost }),
    ...(typeof durationMs === "number" && { durationMs }),
    ...(typeof firstTokenMs === "number" && { firstTokenMs }),
  });
}

function failureOf({ message, code }: NonNullable<Message["error"]>): Failure {
  return { message: String(message), code: typeof code === "string" ? code : null };
}

/** Changes the last answer. A result without an answer before it belongs to nothing that is shown. */
function changeLastAnswer(entries: Entry[], change: (answer: AnswerEntry) => AnswerEntry): void {
  const last = entries.at(-1);
  if (last?.kind === "answer") entries[entries.length - 1] = change(last);
}

export function attachmentsOf(blocks: readonly Block[]): readonly Attachment[] {
  return blocks.flatMap((block) => block.image ?? block.file ?? []);
}

function says(message: Message): boolean {
  return textOf(message) !== "" || attachmentsOf(message.content).length > 0;
}

function textOf(message: Message): string {
  return message.content.map((block) => block.text ?? "").join("");
}

/** For messages that were stored before steps existed, the blocks are used. */
function stepsOf(message: Message): readonly RunEvent[] {
  return (message.steps as readonly RunEvent[] | null | undefined) ?? message.content.flatMap(stepOf);
}

function stepOf(block: Block): RunEvent[] {
  const thought = thoughtOf(block);
  if (thought) return [{ type: "thinking", text: thought }];
  if (block.toolUse) {
    const { toolUseId: id, name, input } = block.toolUse;
    return [{ type: "tool_call", id, name, arguments: input }];
  }
  if (!block.toolResult) return [];
  const { toolUseId: id, status } = block.toolResult;
  return [{ type: "tool_result", id, name: "", ok: status !== "error", ...summaryOf(block.toolResult) }];
}

function thoughtOf({ reasoningContent }: Block): string | undefined {
  return (reasoningContent as { reasoningText?: { text?: string } } | null | undefined)?.reasoningText?.text;
}

const SUMMARY_LENGTH = 200;

function summaryOf(result: NonNullable<Block["toolResult"]>): { summary?: string } {
  const parts = (result.content ?? []).map((part) => part["text"] ?? JSON.stringify(part["json"] ?? null));
  const text = parts.join(" ").replace(/\s+/g, " ");
  if (!text) return {};
  return { summary: text.length > SUMMARY_LENGTH ? `${text.slice(0, SUMMARY_LENGTH)}…` : text };
}
