import type { Schemas } from "@millrace/client";
import type { ReactNode } from "react";
import { Badge } from "../../ui/Badge";
import { formatCompact, formatDuration, orDash } from "../../ui/format";
import { Section } from "../../ui/Page";
import { Loading } from "../../ui/states";
import { Chain } from "./Chain";
import { Charts } from "./Charts";
import { Checkpoints } from "./Checkpoints";
import { Destinations } from "./Destinations";
import { type Pipeline, usePipelineQuery } from "./model";

/** The overview of a pipeline: its parts, health, charts and checkpoints. */
export function Overview({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const metrics = usePipelineQuery(pipeline.id, "metrics", (api, options) => api.getPipelineMetrics(pipeline.id, options));
  const destinations = usePipelineQuery(pipeline.id, "destinations", (api, options) => api.listDestinations(pipeline.id, options));
  const health = usePipelineQuery(pipeline.id, "health", (api, options) => api.getPipelineHealth(pipeline.id, options));
  // Each of them would move the content below it.
  if (health.isPending || metrics.isPending || destinations.isPending) return <Loading lines={8} />;
  return (
    <>
      {health.data && <Health health={health.data} />}
      <Chain definition={pipeline} metrics={metrics.data ?? null} destinations={destinations.data?.items ?? []} />
      {metrics.data && <Facts metrics={metrics.data} />}
      <Charts id={pipeline.id} />
      <Destinations pipeline={pipeline} query={destinations} />
      <Checkpoints pipeline={pipeline} />
    </>
  );
}

const TONES = { healthy: "good", degraded: "warning", unhealthy: "bad" } as const;

function Health({ health: { status, reasons } }: { health: Schemas["PipelineHealth"] }): ReactNode {
  return (
    <div className="stack" role="status" aria-label="Health">
      <div>
        <Badge tone={TONES[status]}>{status}</Badge>
      </div>
      {reasons.map((reason) => (
        <p key={reason} className="muted">
          {reason}
        </p>
      ))}
    </div>
  );
}

function Facts({ metrics }: { metrics: Schemas["PipelineMetrics"] }): ReactNode {
  const facts: [string, string][] = [
    ["Processed", formatCompact(metrics.itemsProcessed)],
    ["Filtered", formatCompact(metrics.itemsFiltered)],
    ["Delivered", formatCompact(metrics.itemsDelivered)],
    ["Failed", formatCompact(metrics.itemsFailed)],
    ["p95 latency", orDash(metrics.latency.p95, formatDuration)],
    ["Lag", formatDuration(metrics.lag)],
    ["Backpressure", `${Math.round(metrics.backpressure * 100)}%`],
  ];
  return (
    <Section title="Last 24 hours">
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}
