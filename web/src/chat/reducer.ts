import { type Ask, changeAsk, completeAsks } from "./asks";
import { type LinkState, type PartialRunEvent as RunEvent, type Schemas, settleParts } from "@millrace/client";
import { extendAnswer, failAnswer } from "./answer";
import { withThoughtTimes } from "./thoughts";
import {
  type AnswerEntry,
  type Attachment,
  type ChatState,
  type Delivery,
  type Entry,
  type Failure,
  type UserEntry,
  isPending,
  isQuestion,
  newAnswer,
} from "./state";

export type Action =
  | { type: "loading" }
  /** `reopens`: the last entry is the answer of the run that continues. */
  | { type: "loaded"; entries: readonly Entry[]; runId: string | null; reopens?: boolean }
  /** The server's details of the waiting calls. */
  | { type: "approvals"; approvals: readonly Schemas["WaitingCall"][] }
  | { type: "answering_call"; callId: string }
  | { type: "call_refused"; callId: string; note: string }
  | { type: "unavailable"; notice: string }
  | { type: "missing" }
  /** An ordinary message: a new run begins. `id` names the message and, with a suffix, its answer. */
  | { type: "asked"; id: string; text: string; attachments?: readonly Attachment[] }
  /** Another answer to a question that is there. */
  | { type: "asked_again"; id: string }
  /** What stands at an entry and behind it leaves the screen, but for what waits for the agent: it stays on its branch. */
  | { type: "branched"; from: string }
  /** The server's ids of entries that are shown. */
  | { type: "identified"; entries: readonly Entry[] }
  /** How long the agent thought, as the stored entries tell. */
  | { type: "thought"; entries: readonly Entry[] }
  | { type: "events"; events: readonly RunEvent[] }
  /** Shows the run as it was up to an event: `before` are the entries that were there before it. */
  | { type: "rewound"; before: readonly Entry[]; events: readonly RunEvent[] }
  | { type: "link"; link: LinkState | "lost" }
  | { type: "stopping" }
  | { type: "stop_failed"; notice: string }
  /** The request was refused, or nothing more will be received. */
  | { type: "failed"; failure: Failure }
  | { type: "injecting"; id: string; text: string; attachments?: readonly Attachment[] }
  | { type: "accepted"; id: string; messageId: string }
  | { type: "delivery"; id: string; delivery: Delivery; note?: string }
  | { type: "removed"; id: string }
  /** Removes the last question and everything after it, except messages that wait for the agent. */
  | { type: "turn_removed" }
  | { type: "notice"; notice: string | null };

export function reduce(state: ChatState, action: Action): ChatState {
  switch (action.type) {
    case "loading":
      return { ...state, phase: "loading", link: "open", notice: null };
    case "loaded":
      return load(state, action.reopens ? reopenLast(action.entries) : action.entries, action.runId);
    case "unavailable":
      return { ...state, phase: "unavailable", notice: action.notice };
    case "missing":
      return { ...state, phase: "missing" };
    case "asked":
      return ask(state, action);
    case "asked_again":
      return askAgain(state, action.id);
    case "branched":
      return { ...state, entries: cutAt(state.entries, action.from) };
    case "identified":
      return { ...state, entries: withThoughtTimes(identify(state.entries, action.entries), action.entries) };
    case "thought":
      return { ...state, entries: withThoughtTimes(state.entries, action.entries) };
    case "events":
      return action.events.reduce(applyEvent, state);
    case "rewound":
      return action.events.reduce(applyEvent, { ...state, entries: withLive(action.before, state.entries) });
    case "failed":
      return fail(state, action.failure);
    case "approvals":
      return { ...state, entries: completeAnswer(state.entries, action.approvals) };
    case "answering_call":
      return changeAsks(state, action.callId, { state: "sending", note: null });
    case "call_refused":
      return changeAsks(state, action.callId, { state: "waiting", note: action.note });
    case "stopping":
      return state.phase === "answering" || state.phase === "waiting" ? { ...state, phase: "stopping" } : state;
    case "stop_failed":
      return { ...state, phase: state.phase === "stopping" ? "answering" : state.phase, notice: action.notice };
    case "turn_removed":
      return { ...state, entries: removeLastTurn(state.entries) };
    case "link":
      return { ...state, link: action.link };
    case "notice":
      return { ...state, notice: action.notice };
    default:
      return { ...state, entries: changeLiveMessage(state.entries, action) };
  }
}

/** Returns the stored entries, followed by the messages that wait for the agent in this page. */
function load(state: ChatState, entries: readonly Entry[], runId: string | null): ChatState {
  const known = new Set(entries.map((entry) => (entry.kind === "user" ? entry.messageId : undefined)));
  const pending = state.entries.filter((entry) => isPending(entry) && !(entry.messageId && known.has(entry.messageId)));
  const isOpen = entries.some((entry) => entry.kind === "answer" && entry.state === "open");
  const open = runId && !isOpen ? [newAnswer(`${runId}/answer`)] : [];
  const phase = runId ? "answering" : "idle";
  return { ...state, entries: [...entries, ...open, ...pending], phase, runId, link: "open", notice: null };
}

/** The answer of a run that has waited for so long that its events have expired. */
function reopenLast(entries: readonly Entry[]): readonly Entry[] {
  const last = entries.at(-1);
  if (last?.kind !== "answer") return entries;
  return [...entries.slice(0, -1), { ...last, state: "open", finishReason: null }];
}

function changeAsks(state: ChatState, callId: string, change: Partial<Ask>): ChatState {
  const entries = changeOpenAnswer(state.entries, (answer) => ({
    ...answer,
    asks: changeAsk(answer.asks, callId, change),
  }));
  return { ...state, entries };
}

function completeAnswer(entries: readonly Entry[], approvals: readonly Schemas["WaitingCall"][]): readonly Entry[] {
  return changeOpenAnswer(entries, (answer) => ({ ...answer, asks: completeAsks(answer.asks, approvals) }));
}

type UserAction = Extract<Action, { type: "asked" | "injecting" }>;

function userEntry({ id, text, attachments }: UserAction): Omit<UserEntry, "delivery"> {
  return { kind: "user", id, text, ...(attachments && attachments.length > 0 && { attachments }) };
}

function ask(state: ChatState, action: UserAction): ChatState {
  const question: UserEntry = { ...userEntry(action), delivery: "sent" };
  return begin(state, [question, newAnswer(`${action.id}/answer`)]);
}

function askAgain(state: ChatState, id: string): ChatState {
  return begin(state, [newAnswer(`${id}/answer`)]);
}

function begin(state: ChatState, added: readonly Entry[]): ChatState {
  const entries = insertBeforePending(state.entries, added);
  return { ...state, entries, phase: "answering", runId: null, link: "connecting", notice: null };
}

function cutAt(entries: readonly Entry[], id: string): readonly Entry[] {
  const start = entries.findIndex((entry) => entry.id === id);
  return start < 0 ? entries : [...entries.slice(0, start), ...entries.slice(start).filter(isPending)];
}

/** Returns the entries with the server's data, or the server's entries if the two differ. */
function identify(entries: readonly Entry[], stored: readonly Entry[]): readonly Entry[] {
  const shown = entries.filter((entry) => !isPending(entry));
  const isSame = shown.length === stored.length && shown.every((entry, n) => entry.kind === stored[n]?.kind);
  if (!isSame) return [...stored, ...entries.filter(isPending)];
  return [...shown.map((entry, n) => identified(entry, stored[n] as Entry)), ...entries.filter(isPending)];
}

function identified(entry: Entry, stored: Entry): Entry {
  if (entry.kind === "answer" && stored.kind === "answer") {
    const { messageId, firstId, siblings, runId } = stored;
    return { ...entry, messageId, firstId, siblings, runId };
  }
  if (entry.kind !== "user" || stored.kind !== "user") return entry;
  const { siblings: _, ...rest } = entry;
  const { messageId = stored.id, parentId = null, siblings } = stored;
  return { ...rest, messageId, parentId, ...(siblings && { siblings }) };
}

function applyEvent(state: ChatState, event: RunEvent): ChatState {
  switch (event.type) {
    case "start":
      return { ...state, runId: event.runId, entries: changeOpenAnswer(state.entries, (answer) => named(answer, event)) };
    case "waiting":
      return state.phase === "stopping" ? state : { ...state, phase: "waiting", link: "open" };
    case "injected":
      return { ...state, entries: showInjected(state.entries, event.messageId, event.content) };
    case "done":
    case "error": {
      const ended = changeOpenAnswer(state.entries, (answer) => extendAnswer(answer, event));
      return { ...state, entries: ended, phase: "idle", link: "open" };
    }
    default: {
      const entries = changeOpenAnswer(state.entries, (answer) => extendAnswer(answer, event));
      return { ...state, entries, phase: state.phase === "waiting" ? "answering" : state.phase };
    }
  }
}

function named(answer: AnswerEntry, { runId, messageId }: Extract<RunEvent, { type: "start" }>): AnswerEntry {
  return { ...answer, runId, messageId: messageId ?? null };
}

/** Returns the entries before a run, and the live messages since then; the run repeats which of them it has read. */
function withLive(before: readonly Entry[], now: readonly Entry[]): readonly Entry[] {
  const fixed = before.filter((entry) => !isPending(entry));
  const known = new Set(fixed.map((entry) => entry.id));
  const live = now.filter((entry): entry is UserEntry => entry.kind === "user" && !known.has(entry.id));
  return [...fixed, ...live.map((user) => (user.delivery === "seen" ? { ...user, delivery: "accepted" as const } : user))];
}

function fail(state: ChatState, failure: Failure): ChatState {
  const entries = changeOpenAnswer(state.entries, (answer) => failAnswer(answer, failure));
  return { ...state, entries, phase: "idle", link: "open" };
}

function changeOpenAnswer(entries: readonly Entry[], change: (answer: AnswerEntry) => AnswerEntry): readonly Entry[] {
  return entries.map((entry) => (entry.kind === "answer" && entry.state === "open" ? change(entry) : entry));
}

/** Moves a live message to where the agent read it: the answer ends there and continues below. */
function showInjected(entries: readonly Entry[], messageId: string, content: string): readonly Entry[] {
  const isThisOne = (entry: Entry) => entry.kind === "user" && entry.messageId === messageId;
  const own = entries.find(isThisOne);
  if (own?.kind === "user" && own.delivery === "seen") return entries;
  const base: UserEntry = own?.kind === "user" ? own : { kind: "user", id: messageId, text: content, delivery: "seen" };
  const seen: UserEntry = { ...base, text: content, messageId, delivery: "seen" };
  const rest = entries.filter((entry) => !isThisOne(entry));
  const open = entries.findLast((entry) => entry.kind === "answer" && entry.state === "open");
  const run = open?.kind === "answer" ? { runId: open.runId, messageId: open.messageId } : {};
  return insertBeforePending(closeOpenAnswer(rest), [seen, newAnswer(`${messageId}/answer`, run)]);
}

/** An answer that has not begun moves below the message. */
function closeOpenAnswer(entries: readonly Entry[]): readonly Entry[] {
  return entries.flatMap((entry) => {
    if (entry.kind !== "answer" || entry.state !== "open") return [entry];
    const isEmpty = entry.parts.length === 0;
    return isEmpty ? [] : [{ ...entry, state: "continued" as const, status: null, parts: settleParts(entry.parts) }];
  });
}

function removeLastTurn(entries: readonly Entry[]): readonly Entry[] {
  const start = entries.findLastIndex(isQuestion);
  return start < 0 ? entries : [...entries.slice(0, start), ...entries.slice(start).filter(isPending)];
}

function insertBeforePending(entries: readonly Entry[], added: readonly Entry[]): readonly Entry[] {
  return [...entries.filter((entry) => !isPending(entry)), ...added, ...entries.filter(isPending)];
}

type LiveMessageAction = Extract<Action, { type: "injecting" | "accepted" | "delivery" | "removed" }>;

function changeLiveMessage(entries: readonly Entry[], action: LiveMessageAction): readonly Entry[] {
  switch (action.type) {
    case "injecting":
      return [...entries, { ...userEntry(action), delivery: "sending" }];
    case "accepted":
      return accept(entries, action.id, action.messageId);
    case "delivery": {
      const { delivery, note } = action;
      return changeUser(entries, action.id, (user) => ({ ...withoutNote(user), delivery, ...(note && { note }) }));
    }
    case "removed":
      return entries.filter((entry) => entry.id !== action.id);
  }
}

/** The agent may have read the message before the response to our request arrived, so it may already be shown. */
function accept(entries: readonly Entry[], id: string, messageId: string): readonly Entry[] {
  const isSeen = entries.some((entry) => entry.kind === "user" && entry.messageId === messageId && entry.id !== id);
  if (isSeen) return entries.filter((entry) => entry.id !== id);
  return changeUser(entries, id, (user) => ({ ...withoutNote(user), messageId, delivery: "accepted" }));
}

function changeUser(entries: readonly Entry[], id: string, change: (user: UserEntry) => UserEntry): readonly Entry[] {
  return entries.map((entry) => (entry.kind === "user" && entry.id === id ? change(entry) : entry));
}

function withoutNote({ note: _, ...user }: UserEntry): UserEntry {
  return user;
}
