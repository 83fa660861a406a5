import type { Schemas } from "@millrace/client";
import { Link, useParams } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { StateBadge } from "../../ui/Badge";
import { Page, Section } from "../../ui/Page";
import { formatCost, formatDuration, formatNumber, formatTime, orDash } from "../../ui/format";
import { EmptyState, ErrorState, isMissing, Loaded, Loading, useNow } from "../../ui/states";
import { toast, toastError } from "../../ui/toast";
import { CostSplit } from "./CostSplit";
import { RawEvents } from "./RawEvents";
import { Replay } from "./Replay";
import { type Timed, timelineOf } from "./timeline";
import { isOver, useModelCalls, useRun, useRunEvents } from "./useRun";
import { Waterfall } from "./Waterfall";
import "./run.css";

type Run = Schemas["Run"];

export default function RunPage(): ReactNode {
  const { runId = "" } = useParams({ strict: false });
  const query = useRun(runId);
  return (
    <Page
      title={query.data ? query.data.agentName || query.data.agentId : "Run"}
      about={<span className="mono">{runId}</span>}
      actions={!isMissing(query.error) && <Actions run={query.data} />}
    >
      <Loaded query={query}>{(run) => <Details key={run.id} run={run} />}</Loaded>
    </Page>
  );
}

function Actions({ run }: { run: Run | undefined }): ReactNode {
  const copy = () => {
    navigator.clipboard.writeText(location.href).then(
      () => toast.success("Link copied", { description: "It opens for members of this organization." }),
      (error: unknown) => toastError("The link could not be copied", error),
    );
  };
  return (
    <>
      {run ? (
        <Link to="/chat/$conversationId" params={{ conversationId: run.conversationId }} className="button">
          Conversation
        </Link>
      ) : (
        <button type="button" className="button" disabled>
          Conversation
        </button>
      )}
      <button type="button" className="button" onClick={copy}>
        Copy link
      </button>
    </>
  );
}

function Details({ run }: { run: Run }): ReactNode {
  const isLive = !isOver(run);
  const { events, isLoaded, error } = useRunEvents(run.id, isLive);
  const modelCalls = useModelCalls(run.id, isLive);
  const calls = modelCalls.data?.items ?? [];
  // Calls that arrive later would move the content below them.
  const isThere = isLoaded && !modelCalls.isPending;
  const now = useNow(isLive ? 500 : 3_600_000);
  const dated = useMemo(() => events.filter(({ at }) => at > 0), [events]);
  const timeline = useMemo(
    () => timelineOf(run, dated, calls, now),
    [run, dated, calls, isLive ? now : 0],
  );
  return (
    <>
      <Facts run={run} elapsed={timeline.end - timeline.start} />
      {Boolean(error) && <ErrorState error={error} />}
      {!isThere && <Loading lines={6} />}
      {isThere && dated.length === 0 && !error && (
        <EmptyState title="The events of this run have been deleted">Events are kept for 24 hours, and the figures of a run for 30 days.</EmptyState>
      )}
      {isThere && dated.length > 0 && <Told events={dated} timeline={timeline} calls={calls} />}
    </>
  );
}

interface ToldProps {
  readonly events: readonly Timed[];
  readonly timeline: ReturnType<typeof timelineOf>;
  readonly calls: readonly Schemas["RunModelCallEvent"][];
}

function Told({ events, timeline, calls }: ToldProps): ReactNode {
  return (
    <>
      <Section title="Where the time went">
        <Waterfall timeline={timeline} />
      </Section>
      {calls.length > 0 && (
        <Section title="Tokens and cost">
          <CostSplit calls={calls} />
        </Section>
      )}
      <Section title="Replay">
        <Replay events={events} timeline={timeline} />
      </Section>
      <Section title="Events">
        <RawEvents events={events} start={timeline.start} />
      </Section>
    </>
  );
}

function Facts({ run, elapsed }: { run: Run; elapsed: number }): ReactNode {
  const facts: readonly (readonly [string, ReactNode])[] = [
    ["State", <StateBadge key="state" state={run.state} />],
    ["Started", formatTime(run.startedAt)],
    ["Duration", formatDuration(elapsed)],
    ["Model", run.model || "–"],
    ["Tokens", run.usage ? `${run.usage.estimated ? "about " : ""}${formatNumber(run.usage.total)}` : "–"],
    ["Cost", orDash(run.cost, formatCost)],
    ["Finish reason", run.error ? String(run.error["message"]) : (run.finishReason ?? "–")],
    ["User", run.createdBy ?? "–"],
  ];
  return (
    <dl className="run-facts card">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
