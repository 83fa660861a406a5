import type { Schemas } from "@millrace/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { useApi } from "../../app/context";
import { StateBadge } from "../../ui/Badge";
import { formatAge, formatNumber } from "../../ui/format";
import { Section } from "../../ui/Page";
import { useAction } from "../../ui/useAction";
import { type Pipeline, pipelineKey, usePipelineQuery } from "./model";

type Redrive = Schemas["Redrive"];
const SHOWN = 5;
const RUNNING_MS = 1000;

/** The last redrives, with the progress of active ones. */
export function Redrives({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const { data } = usePipelineQuery(pipeline.id, "redrives", (api, options) => api.listRedrives(pipeline.id, options));
  if (!data || data.items.length === 0) return null;
  return (
    <Section title="Redrives">
      <ul className="trace">
        {data.items.slice(0, SHOWN).map((redrive) => (
          <li key={redrive.id} className="card stack">
            {redrive.state === "running" ? <Running pipeline={pipeline} redrive={redrive} /> : <Ended redrive={redrive} />}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Ended({ redrive }: { redrive: Redrive }): ReactNode {
  const { state, redriven, skipped, updatedAt } = redrive;
  return (
    <p>
      <StateBadge state={state === "done" ? "completed" : state} /> {formatNumber(redriven)} sent again
      {skipped > 0 && `, ${formatNumber(skipped)} skipped`}, {formatAge(updatedAt)}
    </p>
  );
}

function Running({ pipeline, redrive }: { pipeline: Pipeline; redrive: Redrive }): ReactNode {
  const api = useApi();
  const queries = useQueryClient();
  const { data } = useQuery({
    queryKey: pipelineKey(pipeline.id, "redrive", redrive.id),
    queryFn: ({ signal }) => api.streaming.getRedrive(pipeline.id, redrive.id, { signal }),
    refetchInterval: RUNNING_MS,
  });
  const isOver = data !== undefined && data.state !== "running";
  useEffect(() => {
    if (isOver) void queries.invalidateQueries({ queryKey: pipelineKey(pipeline.id) });
  }, [isOver, queries, pipeline.id]);
  const cancel = useAction({
    run: () => api.streaming.cancelRedrive(pipeline.id, redrive.id),
    failure: "The redrive could not be canceled",
    changes: [pipelineKey(pipeline.id)],
  });
  const done = (data ?? redrive).redriven;
  const all = done + (data?.left ?? 0);
  return (
    <>
      <p>
        <StateBadge state="running" /> {formatNumber(done)} sent again
        {data && `, ${data.leftComplete ? "" : "at least "}${formatNumber(data.left)} left`}
      </p>
      <progress className="progress" aria-label="Redrive" value={done} max={Math.max(all, 1)} />
      <div className="buttons">
        <button type="button" className="button" disabled={cancel.isRunning} onClick={() => cancel.run()}>
          Cancel
        </button>
      </div>
    </>
  );
}
