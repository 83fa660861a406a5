import { Link } from "@tanstack/react-router";
import { memo, type ReactNode } from "react";
import { StateBadge } from "../../ui/Badge";
import { formatCompact, formatCost, formatDuration } from "../../ui/format";
import type { LiveRun } from "./model";

const MOST = 60;

/** Active runs and those that have just ended, each with a link to its page. */
export function RunCards({ runs, now }: { runs: readonly LiveRun[]; now: number }): ReactNode {
  if (runs.length === 0) return <p className="muted live-quiet">Nothing is running right now.</p>;
  return (
    <>
      <ul className="run-cards" aria-label="Runs">
        {runs.slice(0, MOST).map((run) => (
          <Card key={run.id} run={run} ms={shownMs(run, now)} />
        ))}
      </ul>
      {runs.length > MOST && <p className="muted">And {runs.length - MOST} more.</p>}
    </>
  );
}

/** The milliseconds that an ended run took; whole seconds for an active one, so that it is rendered once a second. */
function shownMs({ startedAt, endedAt }: LiveRun, now: number): number {
  return endedAt === null ? Math.max(0, Math.floor((now - startedAt) / 1000) * 1000) : Math.max(0, endedAt - startedAt);
}

const Card = memo(function Card({ run, ms }: { run: LiveRun; ms: number }): ReactNode {
  return (
    <li className="run-card card" data-over={run.endedAt !== null}>
      <Link to="/runs/$runId" params={{ runId: run.id }}>
        <span className="run-card-head">
          <strong>{run.agentName}</strong>
          <StateBadge state={run.status} />
        </span>
        <span className="muted run-card-tool">{run.tool ? `Using ${run.tool}` : run.model}</span>
        <span className="run-card-figures numeric">
          {run.tokensPerSecond !== null && run.endedAt === null && <span>{formatCompact(run.tokensPerSecond)} tok/s</span>}
          {run.tokens !== null && <span>{formatCompact(run.tokens)} tokens</span>}
          {run.cost !== null && <span>{formatCost(run.cost)}</span>}
          <span>{ms === 0 ? "0 s" : formatDuration(ms)}</span>
        </span>
      </Link>
    </li>
  );
});
