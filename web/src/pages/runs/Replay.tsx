import { type Part, RunReducer, type RunState } from "@millrace/client";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { Icon } from "../../ui/Icon";
import { formatDuration } from "../../ui/format";
import type { Timed, Timeline } from "./timeline";

const SPEEDS = [1, 2, 5, 10] as const;

/** A replay of the run from any moment, at any speed. */
export function Replay({ events, timeline }: { events: readonly Timed[]; timeline: Timeline }): ReactNode {
  const total = timeline.end - timeline.start;
  const { position, isPlaying, speed, seek, toggle, setSpeed } = usePlayer(total);
  const state = useStateAt(events, timeline.start + position);
  return (
    <div className="replay card">
      <div className="replay-bar">
        <button type="button" className="bare" aria-label={isPlaying ? "Pause" : "Play"} onClick={toggle}>
          <Icon name={isPlaying ? "pause" : "play"} />
        </button>
        <input
          type="range"
          aria-label="Position"
          aria-valuetext={formatDuration(position)}
          min={0}
          max={total}
          step={Math.max(1, Math.round(total / 1000))}
          value={position}
          onChange={(event) => seek(Number(event.target.value))}
        />
        <span className="numeric replay-time">
          {formatDuration(position)} / {formatDuration(total)}
        </span>
        <select className="input" aria-label="Speed" value={speed} onChange={(event) => setSpeed(Number(event.target.value))}>
          {SPEEDS.map((one) => (
            <option key={one} value={one}>
              {one}×
            </option>
          ))}
        </select>
      </div>
      <div className="replay-view" tabIndex={0} role="region" aria-label="The run at this moment">
        <Parts parts={state.parts} />
        {state.activity && <p className="muted">{state.activity}</p>}
        {state.error && <p role="alert">{state.error.message}</p>}
        {state.parts.length === 0 && !state.error && <p className="muted">Nothing has been said yet.</p>}
      </div>
    </div>
  );
}

function usePlayer(total: number) {
  const [position, setPosition] = useState(total);
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<number>(1);
  useEffect(() => {
    if (!isPlaying) return;
    let frame = 0;
    let before = performance.now();
    const step = (now: number) => {
      const passed = (now - before) * speed;
      before = now;
      setPosition((known) => Math.min(total, known + passed));
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, speed, total]);
  useEffect(() => {
    if (position >= total) setPlaying(false);
  }, [position, total]);
  const toggle = () => {
    if (!isPlaying && position >= total) setPosition(0);
    setPlaying(!isPlaying);
  };
  return { position, isPlaying, speed, toggle, setSpeed, seek: setPosition };
}

/** Continues from the moment shown before; only a step back starts again. */
function useStateAt(events: readonly Timed[], at: number): RunState {
  const told = useRef({ reducer: new RunReducer(), count: 0, events });
  return useMemo(() => {
    const isBack = told.current.events[0] !== events[0] || (events[told.current.count - 1]?.at ?? 0) > at;
    if (isBack) told.current = { reducer: new RunReducer(), count: 0, events };
    const { reducer } = told.current;
    for (let next = events[told.current.count]; next && next.at <= at; next = events[told.current.count]) {
      reducer.add(next.event, next.id);
      told.current.count += 1;
    }
    return reducer.state;
  }, [events, at]);
}

function Parts({ parts }: { parts: readonly Part[] }): ReactNode {
  return parts.map((part, index) => (
    <div key={index} className="replay-part" data-type={part.type}>
      <PartView part={part} />
    </div>
  ));
}

function PartView({ part }: { part: Part }): ReactNode {
  switch (part.type) {
    case "text":
    case "thinking":
      return <p dir="auto">{part.text}</p>;
    case "message":
      return <p dir="auto">{part.content}</p>;
    case "approval":
      return (
        <p>
          {part.name ?? part.prompt ?? "A question"}: {part.decision ?? "waiting for a person"}
        </p>
      );
    case "tool":
      return (
        <>
          <p>
            {part.name} <span className="muted">{part.summary ?? part.state}</span>
          </p>
          <Parts parts={part.parts} />
        </>
      );
    default:
      return (
        <>
          <p>
            {part.name} <span className="muted">{part.state}</span>
          </p>
          <Parts parts={part.parts} />
        </>
      );
  }
}
