import { type ReactNode, memo, useState, useSyncExternalStore } from "react";
import type { Millrace, Schemas } from "@millrace/client";
import { explain } from "../../api/explain";
import { SPEEDS } from "../../voice/preferences";
import { Icon } from "../../ui/Icon";
import type { Voice } from "./useVoice";

/** The speech settings in the header. */
export function VoiceMenu({ api, voice }: { api: Millrace; voice: Voice }): ReactNode {
  const { speech, preferences, change } = voice;
  const { phase, playedMs, peak, tailMs } = useSyncExternalStore(speech.subscribe, speech.getState);
  const isOn = preferences.isAutomatic;
  const toggle = () => {
    if (isOn) speech.stop();
    else speech.unlock();
    change({ isAutomatic: !isOn });
  };
  return (
    <div className="voice" data-phase={phase} data-played-ms={playedMs} data-peak={peak} data-tail-ms={tailMs}>
      <button
        type="button"
        className="bare"
        aria-label="Speak answers"
        aria-pressed={isOn}
        title={isOn ? "New answers are spoken" : "Speak new answers"}
        onClick={toggle}
      >
        <Icon name={isOn ? "speaker" : "muted"} />
      </button>
      <button type="button" className="bare" aria-label="Voice and speed" popoverTarget="voice-settings">
        <Icon name="sliders" />
      </button>
      <Settings api={api} voice={voice} />
    </div>
  );
}

/** A native popover: Escape and a click outside close it, and the browser manages the focus. */
const Settings = memo(({ api, voice: { preferences, change } }: { api: Millrace; voice: Voice }): ReactNode => {
  const [voices, setVoices] = useState<Schemas["VoiceCatalog"] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const load = () => {
    setError(null);
    api.voice.listVoices().then(setVoices, (reason: unknown) => setError(explain(reason)));
  };
  const known = voices?.voices ?? [];
  const isListed = known.some(({ id }) => id === preferences.voice);
  return (
    <div
      id="voice-settings"
      className="settings"
      popover="auto"
      role="group"
      aria-label="Voice and speed"
      onToggle={(event) => event.newState === "open" && !voices && load()}
    >
      <label>
        Voice
        <select value={preferences.voice} onChange={(event) => change({ voice: event.target.value })}>
          <option value="">Default</option>
          {preferences.voice && !isListed && <option value={preferences.voice}>{preferences.voice}</option>}
          {known.map(({ id, name, language }) => (
            <option key={id} value={id}>
              {language ? `${name} (${language})` : name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>
          Speed <span aria-hidden="true">{preferences.speed.toFixed(1)}×</span>
        </span>
        <input
          type="range"
          min={Math.max(SPEEDS.least, voices?.speed.min ?? 0)}
          max={Math.min(SPEEDS.most, voices?.speed.max ?? Infinity)}
          step={0.1}
          value={preferences.speed}
          onChange={(event) => change({ speed: Number(event.target.value) })}
        />
      </label>
      {error && <p role="alert">{error}</p>}
    </div>
  );
});
