import { useCallback, useEffect, useMemo, useState } from "react";
import type { Api } from "../../api/client";
import { sharedStorage } from "../../api/storage";
import type { SpeechOptions } from "../../api/types";
import { type Preferences, readPreferences, storePreferences } from "../../voice/preferences";
import { Speech } from "../../voice/speech";
import { proseOf } from "./prose";

/** Speaking, in the way that the user likes. */
export interface Voice {
  readonly speech: Speech;
  readonly preferences: Preferences;
  readonly change: (change: Partial<Preferences>) => void;
  readonly speakText: (answerId: string, markdown: string) => void;
  readonly speakRun: (runId: string) => void;
}

/** What is spoken ends with the conversation `conversationId`. */
export function useVoice(api: Api, conversationId: string): Voice {
  const speech = useMemo(() => new Speech((streamId) => void api.stopSpeech(streamId)), [api]);
  const [preferences, setPreferences] = useState(() => readPreferences(sharedStorage));
  const { voice, speed } = preferences;
  useEffect(() => speech.stop, [speech, conversationId]);
  useEffect(() => {
    addEventListener("pagehide", speech.stop);
    return () => removeEventListener("pagehide", speech.stop);
  }, [speech]);
  useEffect(() => storePreferences(sharedStorage, preferences), [preferences]);

  const change = useCallback((changed: Partial<Preferences>) => setPreferences((now) => ({ ...now, ...changed })), []);
  const options: SpeechOptions = useMemo(() => ({ speed, ...(voice && { voice }) }), [voice, speed]);
  const speakText = useCallback(
    (answerId: string, markdown: string) => {
      void speech.speak(answerId, async (signal) => api.speakText(textOf(markdown), options, signal));
    },
    [speech, api, options],
  );
  const speakRun = useCallback(
    (runId: string) => void speech.speak(runId, (signal) => api.speakRun(runId, options, signal)),
    [speech, api, options],
  );
  return useMemo(
    () => ({ speech, preferences, change, speakText, speakRun }),
    [speech, preferences, change, speakText, speakRun],
  );
}

function textOf(markdown: string): string {
  const text = proseOf(markdown);
  if (!text.trim()) throw new Error("There is nothing to read aloud in this answer.");
  return text;
}
