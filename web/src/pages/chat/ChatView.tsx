import { type ReactNode, useCallback, useEffect, useRef, useSyncExternalStore } from "react";
import type { Agent, ApprovalAnswer, Attachment } from "../../api/types";
import type { ChatSession } from "../../chat/session";
import { type AnswerEntry, type ChatState, isQuestion, isRunning } from "../../chat/state";
import { Answer } from "./Answer";
import { Composer } from "./Composer";
import { Icon } from "../../ui/Icon";
import { Notice } from "../../ui/Notice";
import { SpeechLine, useSubject } from "./Listen";
import { Question } from "./Question";
import { useEscape } from "../../ui/useEscape";
import { useFollowBottom } from "./useFollowBottom";
import type { Voice } from "./useVoice";

interface ChatViewProps {
  readonly session: ChatSession;
  readonly agent: Agent | null;
  readonly voice: Voice;
  /** Called with the first message of a conversation that is not stored yet, and with every other one. */
  readonly onSend: () => void;
}

export function ChatView({ session, agent, voice, onSend }: ChatViewProps): ReactNode {
  const state = useSyncExternalStore(session.subscribe, session.getState);
  const box = useRef<HTMLTextAreaElement>(null);
  const { scroller, isAtBottom, onScroll, toBottom } = useFollowBottom(state.entries);
  const agentId = agent?.id ?? "";
  const send = (text: string, attachments: readonly Attachment[]) => {
    onSend();
    if (voice.preferences.isAutomatic) voice.speech.unlock();
    void session.send(text, agentId, attachments);
    toBottom();
  };
  const stop = useCallback(() => {
    voice.speech.stop();
    void session.stop();
  }, [voice.speech, session]);
  useEscape(stop);
  useEffect(() => box.current?.focus(), [session]);
  return (
    <>
      <div className="scroller" ref={scroller} onScroll={onScroll}>
        <div className="column" role="log" aria-live="polite" aria-label="Conversation">
          {state.entries.length === 0 && <Welcome state={state} agent={agent} />}
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
        <Composer
          box={box}
          isRunning={isRunning(state)}
          isStopping={state.phase === "stopping"}
          isDisabled={agentId === "" || state.phase === "loading" || state.phase === "unavailable"}
          onSend={send}
          onStop={stop}
        />
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
  const onRetry = useCallback(() => void session.retry(agentId), [session, agentId]);
  const onAnswer = useCallback((answer: ApprovalAnswer) => void session.answerCall(answer), [session]);
  const onWithdraw = useCallback((id: string) => void session.withdraw(id), [session]);
  const onResend = useCallback((id: string) => void session.resend(id, agentId), [session, agentId]);
  const { isSpoken, onListen } = useListening(state, voice);
  return state.entries.map((entry) =>
    entry.kind === "answer" ? (
      <Answer
        key={entry.id}
        answer={entry}
        isSpoken={isSpoken(entry)}
        onAnswer={onAnswer}
        onListen={onListen}
        onRetry={entry === lastAnswer && !running ? onRetry : null}
      />
    ) : (
      <Question key={entry.id} entry={entry} isRunning={running} onWithdraw={onWithdraw} onResend={onResend} />
    ),
  );
}

function Welcome({ state, agent }: { state: ChatState; agent: Agent | null }): ReactNode {
  if (state.phase !== "idle") return null;
  return (
    <div className="welcome">
      <Icon name="waves" />
      <h1>{agent?.name ?? "What can I do for you?"}</h1>
      {agent?.description && <p>{agent.description}</p>}
    </div>
  );
}

/** One line about the connection, above the box: nothing while all is well. */
function LinkLine({ session, state }: { session: ChatSession; state: ChatState }): ReactNode {
  const reload = () => void session.load();
  if (state.phase === "unavailable") {
    return <Notice text={state.notice ?? "This conversation cannot be loaded."} action="Try again" onAction={reload} />;
  }
  if (state.notice) return <Notice text={state.notice} action="Dismiss" onAction={() => session.dismissNotice()} />;
  if (!isRunning(state)) return null;
  if (state.link === "lost") return <Notice text="Connection lost." action="Reconnect" onAction={reload} />;
  return state.link === "waiting" ? <Notice text="Connection lost. Reconnecting…" /> : null;
}

/** An answer that streams is spoken as its run, to the end; a finished one as the text that it is. */
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
      else speakText(answer.id, answer.text);
    },
    [speech, speakText, speakRun, runId],
  );
  return { isSpoken, onListen };
}
