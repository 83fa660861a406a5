import { Link } from "@tanstack/react-router";
import { memo, type ReactNode } from "react";
import { StateBadge } from "../../ui/Badge";
import { formatCompact, formatCost, formatDuration, orDash } from "../../ui/format";
import type { LiveRun } from "./model";

const MOST = 60;

/** The runs under way and those that have just ended; each leads to its page, which shows it as it goes on. */
export function RunCards({ runs, now }: { runs: readonly LiveRun[]; now: number }): ReactNode {
  if (runs.length === 0) return <p className="muted live-quiet">Nothing runs at this moment.</p>;
  return (
    <>
      <ul className="run-cards" aria-label="Runs">
        {runs.slice(0, MOST).map((run) => (
          <Card key={run.id} run={run} seconds={Math.max(0, Math.floor(((run.endedAt ?? now) - run.startedAt) / 1000))} />
        ))}
      </ul>
      {runs.length > MOST && <p className="muted">And {runs.length - MOST} more.</p>}
    </>
  );
}

const Card = memo(function Card({ run, seconds }: { run: LiveRun; seconds: number }): ReactNode {
  return (
    <li className="run-card card" data-over={run.endedAt !== null}>
      <Link to="/runs/$runId" params={{ runId: run.id }}>
        <span className="run-card-head">
          <strong>{run.agentName}</strong>
          <StateBadge state={run.status} />
        </span>
        <span className="muted run-card-tool">{run.tool ? `Using ${run.tool}` : run.model}</span>
        <span className="run-card-figures numeric">
          <span>{orDash(run.tokensPerSecond, (rate) => `${formatCompact(rate)} tok/s`)}</span>
          <span>{orDash(run.tokens, (tokens) => `${formatCompact(tokens)} tokens`)}</span>
          <span>{orDash(run.cost, formatCost)}</span>
          <span>{formatDuration(seconds * 1000)}</span>
        </span>
      </Link>
    </li>
  );
});
