import { type ReactNode, useSyncExternalStore } from "react";
import type { Speech } from "../../voice/speech";
import { Icon } from "../../ui/Icon";
import { Notice } from "../../ui/Notice";

/** What is being spoken; null if nothing is. */
export function useSubject(speech: Speech): string | null {
  return useSyncExternalStore(speech.subscribe, () => speech.getState().subject);
}

export function ListenButton({ isSpoken, onToggle }: { isSpoken: boolean; onToggle: () => void }): ReactNode {
  return (
    <button
      type="button"
      className="quiet listen"
      aria-label={isSpoken ? "Stop listening" : "Listen to the answer"}
      title={isSpoken ? "Stop (Esc)" : undefined}
      onClick={onToggle}
    >
      <Icon name={isSpoken ? "stop" : "speaker"} />
      {isSpoken ? "Stop" : "Listen"}
    </button>
  );
}

/** The reason why there is no sound, if there is one. */
export function SpeechLine({ speech }: { speech: Speech }): ReactNode {
  const notice = useSyncExternalStore(speech.subscribe, () => speech.getState().notice);
  const isBlocked = useSyncExternalStore(speech.subscribe, () => speech.getState().phase === "blocked");
  if (notice) return <Notice text={notice} action="Dismiss" onAction={speech.dismissNotice} />;
  if (!isBlocked) return null;
  return <Notice text="Your browser plays sound only after a click." action="Play" onAction={speech.unlock} />;
}
