import { useCallback, useEffect, useMemo, useState } from "react";
import type { Millrace } from "@millrace/client";
import { sharedStorage } from "../../api/storage";
import { type Preferences, readPreferences, storePreferences } from "../../voice/preferences";
import { Speech } from "../../voice/speech";
import { proseOf } from "./prose";

/** Speech with the user's settings. */
export interface Voice {
  readonly speech: Speech;
  readonly preferences: Preferences;
  readonly change: (change: Partial<Preferences>) => void;
  readonly speakText: (answerId: string, markdown: string) => void;
  readonly speakRun: (runId: string) => void;
}

/** Stops the speech of the conversation `conversationId`. */
export function useVoice(api: Millrace, conversationId: string): Voice {
  const speech = useMemo(() => new Speech((streamId) => stopSpeech(api, streamId)), [api]);
  const [preferences, setPreferences] = useState(() => readPreferences(sharedStorage));
  const { voice, speed } = preferences;
  useEffect(() => speech.stop, [speech, conversationId]);
  useEffect(() => {
    addEventListener("pagehide", speech.stop);
    return () => removeEventListener("pagehide", speech.stop);
  }, [speech]);
  useEffect(() => storePreferences(sharedStorage, preferences), [preferences]);

  const change = useCallback((changed: Partial<Preferences>) => setPreferences((now) => ({ ...now, ...changed })), []);
  const options = useMemo(() => ({ format: "pcm", speed, ...(voice && { voice }) }), [voice, speed]);
  const speakText = useCallback(
    (answerId: string, markdown: string) => {
      void speech.speak(answerId, async (signal) => api.voice.speak({ text: textOf(markdown), ...options }, { signal }));
    },
    [speech, api, options],
  );
  const speakRun = useCallback(
    (runId: string) => void speech.speak(runId, (signal) => api.voice.speakRun(runId, options, { signal })),
    [speech, api, options],
  );
  return useMemo(
    () => ({ speech, preferences, change, speakText, speakRun }),
    [speech, preferences, change, speakText, speakRun],
  );
}

/** Stops a speech on the server, even while the page is being closed. */
function stopSpeech(api: Millrace, streamId: string): void {
  api.voice.stop(streamId, { keepalive: true }).catch(() => undefined);
}

function textOf(markdown: string): string {
  const text = proseOf(markdown);
  if (!text.trim()) throw new Error("There is nothing to read aloud in this answer.");
  return text;
}
