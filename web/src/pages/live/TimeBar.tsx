import { type ReactNode, useState } from "react";
import { formatClock, formatTime } from "../../ui/format";
import { useNow } from "../../ui/states";
import type { Feed, Moment } from "./feed";

const MINUTES = 24 * 60;
const MINUTE_MS = 60_000;
export const SPEEDS = [1, 10, 60, 600] as const;

interface TimeBarProps {
  readonly feed: Feed;
  readonly moment: Moment;
  readonly speed: number;
  readonly onMoment: (moment: Moment) => void;
  readonly onSpeed: (speed: number) => void;
}

/** The live view, or a replay from any moment of the last 24 hours. */
export function TimeBar({ feed, moment, speed, onMoment, onSpeed }: TimeBarProps): ReactNode {
  const now = useNow(10_000);
  const [dragged, setDragged] = useState<number | null>(null);
  const shown = moment === null ? now : feed.now;
  const ago = dragged ?? Math.max(0, Math.round((now - shown) / MINUTE_MS));
  const choose = () => {
    if (dragged !== null) onMoment(dragged === 0 ? null : Date.now() - dragged * MINUTE_MS);
    setDragged(null);
  };
  return (
    <div className="time-bar">
      <button type="button" className="button" aria-pressed={moment === null} onClick={() => onMoment(null)}>
        Live
      </button>
      <input
        type="range"
        aria-label="Time"
        aria-valuetext={ago === 0 ? "now" : formatTime(now - ago * MINUTE_MS)}
        min={-MINUTES}
        max={0}
        value={-ago}
        onChange={(event) => setDragged(-Number(event.target.value))}
        onPointerUp={choose}
        onKeyUp={choose}
        onBlur={choose}
      />
      <span className="numeric time-shown">{dragged === null && moment === null ? "now" : formatClock(dragged === null ? shown : now - dragged * MINUTE_MS)}</span>
      {moment !== null && (
        <select className="input" aria-label="Speed" value={speed} onChange={(event) => onSpeed(Number(event.target.value))}>
          {SPEEDS.map((one) => (
            <option key={one} value={one}>
              {one}×
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
