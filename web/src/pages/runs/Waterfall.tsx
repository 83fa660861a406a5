import type { ReactNode } from "react";
import { formatDuration } from "../../ui/format";
import { type Mark, type Phase, phaseLabel, sharesOf, type Timeline, type Work } from "./timeline";

const MOST_ROWS = 200;
const TICKS = 5;

/** The run's time from left to right: its phases in one row, parallel work below. */
export function Waterfall({ timeline }: { timeline: Timeline }): ReactNode {
  const { start, end, phases, work, marks } = timeline;
  const place = (from: number, to: number) => placeOf(start, end, from, to);
  return (
    <div className="waterfall">
      <Shares phases={phases} total={end - start} />
      <ol className="waterfall-rows" aria-label="Timeline">
        <li className="waterfall-row waterfall-axis" aria-hidden="true">
          <span />
          <Axis total={end - start} />
          <span />
        </li>
        <PhaseRow phases={phases} marks={marks} start={start} end={end} />
        {work.slice(0, MOST_ROWS).map((one) => (
          <WorkRow key={one.id} work={one} start={start} place={place} />
        ))}
      </ol>
      {work.length > MOST_ROWS && <p className="muted">And {work.length - MOST_ROWS} more.</p>}
    </div>
  );
}

type Place = { readonly left: string; readonly width: string };

function placeOf(start: number, end: number, from: number, to: number): Place {
  const whole = Math.max(1, end - start);
  return { left: `${(100 * (from - start)) / whole}%`, width: `${(100 * (to - from)) / whole}%` };
}

/** The same in words and sums. */
function Shares({ phases, total }: { phases: readonly Phase[]; total: number }): ReactNode {
  return (
    <ul className="shares">
      {sharesOf(phases).map(({ kind, ms }) => (
        <li key={kind}>
          <span className="swatch" data-kind={kind} />
          {phaseLabel(kind)} <span className="numeric">{formatDuration(ms)}</span>
          <span className="muted numeric"> {Math.round((100 * ms) / Math.max(1, total))}%</span>
        </li>
      ))}
    </ul>
  );
}

function Axis({ total }: { total: number }): ReactNode {
  return (
    <span className="axis">
      {Array.from({ length: TICKS }, (_, index) => (
        <span key={index} className="numeric" style={{ left: `${(100 * index) / (TICKS - 1)}%` }}>
          {formatDuration((total * index) / (TICKS - 1))}
        </span>
      ))}
    </span>
  );
}

interface PhaseRowProps {
  readonly phases: readonly Phase[];
  readonly marks: readonly Mark[];
  readonly start: number;
  readonly end: number;
}

function PhaseRow({ phases, marks, start, end }: PhaseRowProps): ReactNode {
  return (
    <li className="waterfall-row" data-depth={0}>
      <span className="waterfall-name">Run</span>
      <span className="track track-run">
        {phases.map((phase) => (
          <span
            key={phase.start}
            className="span-bar"
            data-kind={phase.kind}
            style={placeOf(start, end, phase.start, phase.end)}
            title={`${phase.label}: ${formatDuration(phase.end - phase.start)}`}
          />
        ))}
        {marks.map((mark, index) => (
          <span
            key={index}
            className="mark"
            data-kind={mark.kind}
            style={{ left: placeOf(start, end, mark.at, mark.at).left }}
            role="img"
            aria-label={`${MARKS[mark.kind]} after ${formatDuration(mark.at - start)}: ${mark.label}`}
            title={`${MARKS[mark.kind]}: ${mark.label}`}
          />
        ))}
      </span>
      <span className="waterfall-time numeric">{formatDuration(end - start)}</span>
    </li>
  );
}

const MARKS: Record<Mark["kind"], string> = {
  message: "Live message",
  asked: "Asked a person",
  answered: "Answered by a person",
  takeover: "Takeover",
};

interface WorkRowProps {
  readonly work: Work;
  readonly start: number;
  readonly place: (from: number, to: number) => Place;
}

function WorkRow({ work, start, place }: WorkRowProps): ReactNode {
  const { kind, label, depth, state, note, firstToken } = work;
  const took = formatDuration(work.end - work.start);
  const first = firstToken === null ? "" : `, first token after ${formatDuration(firstToken - work.start)}`;
  return (
    <li className="waterfall-row" data-depth={depth}>
      <span className="waterfall-name" title={note ?? label}>
        <span className="muted">{KINDS[kind]}</span> {label}
      </span>
      <span className="track" title={`${label}: ${took}${first}${note ? `\n${note}` : ""}`}>
        <span className="span-bar" data-kind={kind} data-state={state} style={place(work.start, work.end)} />
        {firstToken !== null && <span className="span-bar span-first" style={place(work.start, firstToken)} />}
      </span>
      <span className="waterfall-time numeric">
        {took}
        <span className="unseen">
          {`, from ${formatDuration(Math.max(0, work.start - start))}, ${state}${first}`}
        </span>
      </span>
    </li>
  );
}

const KINDS: Record<Work["kind"], string> = { call: "Model", tool: "Tool", agent: "Agent", step: "Step" };
