import { Link } from "@tanstack/react-router";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { ApprovalAnswer } from "../../chat/asks";
import type { ChatSession } from "../../chat/session";
import { type AnswerEntry, type Attachment, type ChatState, answerText, isQuestion, isRunning } from "../../chat/state";
import { Answer } from "./Answer";
import { Composer } from "./Composer";
import { Icon } from "../../ui/Icon";
import { Notice } from "../../ui/Notice";
import { EmptyState, Loading } from "../../ui/states";
import { SpeechLine, useSubject } from "./Listen";
import { Question } from "./Question";
import { useEscape } from "../../ui/useEscape";
import { useAnchor } from "./useAnchor";
import { useFollowBottom } from "./useFollowBottom";
import type { AgentChoice } from "./useAgents";
import type { Voice } from "./useVoice";

interface ChatViewProps {
  readonly conversationId: string;
  readonly session: ChatSession;
  readonly agent: AgentChoice | null;
  readonly voice: Voice;
  /** Called with every message, including the first one of a conversation that is not stored yet. */
  readonly onSend: () => void;
  /** False if the chat is not the main content of the page. */
  readonly takesFocus?: boolean;
}

/** Whether a text field has the focus, which must not move while the user types. */
function isTypedInto(element: Element | null): boolean {
  return element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement;
}

export function ChatView({ conversationId, session, agent, voice, onSend, takesFocus = true }: ChatViewProps): ReactNode {
  const state = useSyncExternalStore(session.subscribe, session.getState);
  const box = useRef<HTMLTextAreaElement>(null);
  const { scroller, isAtBottom, onScroll, toBottom, leave } = useFollowBottom(state.entries);
  useAnchor(scroller, state.entries, leave);
  const agentId = agent?.id ?? "";
  const send = (text: string, attachments: readonly Attachment[], after: boolean) => {
    onSend();
    if (voice.preferences.isAutomatic) voice.speech.unlock();
    void session.send(text, agentId, attachments, after);
    toBottom();
  };
  const stop = useCallback(() => {
    voice.speech.stop();
    void session.stop();
  }, [voice.speech, session]);
  useEscape(stop);
  useEffect(() => {
    if (takesFocus && !isTypedInto(document.activeElement)) box.current?.focus();
  }, [session, takesFocus]);
  useRefresh(session);
  return (
    <>
      <div className="scroller" ref={scroller} onScroll={onScroll}>
        <div className="column" role="log" aria-live="polite" aria-label="Conversation">
          {state.entries.length === 0 && state.phase === "loading" && <Loading lines={5} />}
          {state.entries.length === 0 && state.phase === "missing" && <Missing />}
          {state.entries.length === 0 && (
            <Welcome state={state} agent={agent} onPick={(text) => send(text, [], false)} />
          )}
          <Entries session={session} state={state} agentId={agentId} voice={voice} />
        </div>
      </div>
      <div className="dock">
        {!isAtBottom && (
          <button type="button" className="jump" aria-label="Jump to the latest" onClick={toBottom}>
            <Icon name="down" />
          </button>
        )}
        <LinkLine session={session} state={state} />
        <SpeechLine speech={voice.speech} />
        {state.phase !== "missing" && (
          <Composer
            key={conversationId}
            conversationId={conversationId}
            box={box}
            isRunning={isRunning(state)}
            isStopping={state.phase === "stopping"}
            isDisabled={agentId === "" || state.phase === "loading" || state.phase === "unavailable"}
            onSend={send}
            onStop={stop}
          />
        )}
      </div>
    </>
  );
}

interface EntriesProps {
  readonly session: ChatSession;
  readonly state: ChatState;
  readonly agentId: string;
  readonly voice: Voice;
}

function Entries({ session, state, agentId, voice }: EntriesProps): ReactNode {
  const running = isRunning(state);
  const lastAnswer = state.entries.findLast((entry) => entry.kind === "answer");
  const actions = useMemo(
    () => ({
      onRetry: () => void session.retry(),
      onAnswer: (answer: ApprovalAnswer) => void session.answerCall(answer),
      onWithdraw: (id: string) => void session.withdraw(id),
      onResend: (id: string) => void session.resend(id, agentId),
      onEdit: (id: string, text: string) => void session.edit(id, text, agentId),
      onRegenerate: (id: string) => void session.regenerate(id),
      onBranch: (messageId: string) => void session.switchTo(messageId),
    }),
    [session, agentId],
  );
  const { isSpoken, onListen } = useListening(state, voice);
  return state.entries.map((entry) =>
    entry.kind === "answer" ? (
      <Answer
        key={entry.id}
        answer={entry}
        isSpoken={isSpoken(entry)}
        isLast={entry === lastAnswer}
        isRunning={running}
        onListen={onListen}
        {...actions}
      />
    ) : (
      <Question key={entry.id} entry={entry} isRunning={running} {...actions} />
    ),
  );
}

interface WelcomeProps {
  readonly state: ChatState;
  readonly agent: AgentChoice | null;
  readonly onPick: (text: string) => void;
}

/** The start of a new conversation. */
function Welcome({ state, agent, onPick }: WelcomeProps): ReactNode {
  if (state.phase !== "idle") return null;
  const starters = agent?.starters ?? [];
  return (
    <div className="welcome">
      <Icon name="waves" />
      <h1>{agent?.name ?? "What can I do for you?"}</h1>
      {agent?.description && <p>{agent.description}</p>}
      {starters.length > 0 && (
        <ul className="starters" aria-label="Suggestions">
          {starters.map((starter) => (
            <li key={starter}>
              <button type="button" dir="auto" onClick={() => onPick(starter)}>
                {starter}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Shown instead of a conversation that does not exist or belongs to someone else. */
function Missing(): ReactNode {
  const create = (
    <Link to="/chat" className="button">
      New conversation
    </Link>
  );
  return (
    <EmptyState title="There is no such conversation." action={create}>
      It was deleted, it is not shared with you, or the address is wrong.
    </EmptyState>
  );
}

/** A line about the connection above the composer, only if there is a problem. */
function LinkLine({ session, state }: { session: ChatSession; state: ChatState }): ReactNode {
  const reload = () => void session.load();
  if (state.phase === "unavailable") {
    return <Notice text={state.notice ?? "This conversation cannot be loaded."} action="Try again" onAction={reload} />;
  }
  if (state.phase === "missing") {
    return state.entries.length > 0 && <Notice text="This conversation has been deleted, or is no longer shared with you." />;
  }
  if (state.notice) return <Notice text={state.notice} action="Dismiss" onAction={() => session.dismissNotice()} />;
  if (!isRunning(state)) return null;
  if (state.link === "lost") return <Notice text="Connection lost." action="Reconnect" onAction={reload} />;
  return state.link === "waiting" ? <Notice text="Connection lost. Reconnecting…" /> : null;
}

/** A tab that becomes visible again shows what has happened elsewhere in the meantime. */
function useRefresh(session: ChatSession): void {
  useEffect(() => {
    const onShow = () => void (document.visibilityState === "visible" && session.refresh());
    document.addEventListener("visibilitychange", onShow);
    window.addEventListener("focus", onShow);
    return () => {
      document.removeEventListener("visibilitychange", onShow);
      window.removeEventListener("focus", onShow);
    };
  }, [session]);
}

/** A streaming answer is spoken as its run, to the end; a finished one as its text. */
function useListening({ runId, entries }: ChatState, voice: Voice) {
  const { speech, speakText, speakRun } = voice;
  const subject = useSubject(speech);
  const lastQuestion = entries.findLastIndex(isQuestion);
  const isOfRun = (answer: AnswerEntry) => entries.indexOf(answer) > lastQuestion && answer.state !== "continued";
  const isSpoken = (answer: AnswerEntry) =>
    subject !== null && (subject === answer.id || (subject === runId && isOfRun(answer)));
  const onListen = useCallback(
    (answer: AnswerEntry, wasSpoken: boolean) => {
      if (wasSpoken) speech.stop();
      else if (answer.state === "open" && runId) speakRun(runId);
      else speakText(answer.id, answerText(answer));
    },
    [speech, speakText, speakRun, runId],
  );
  return { isSpoken, onListen };
}
