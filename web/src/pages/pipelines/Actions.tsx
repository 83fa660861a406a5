import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { Icon, type IconName } from "../../ui/Icon";
import { Menu, type MenuItem } from "../../ui/Menu";
import { useAction } from "../../ui/useAction";
import { type Pipeline, pipelineKey } from "./model";
import { SendEvent } from "./SendEvent";

type Verb = "start" | "pause" | "resume" | "stop";

const MAIN: Record<Pipeline["state"], { verb: Verb; label: string; icon: IconName } | null> = {
  created: { verb: "start", label: "Start", icon: "play" },
  running: { verb: "pause", label: "Pause", icon: "pause" },
  paused: { verb: "resume", label: "Resume", icon: "play" },
  stopped: null,
};

/** The actions for a pipeline as a whole. */
export function Actions({ pipeline }: { pipeline: Pipeline }): ReactNode {
  const [isSending, setSending] = useState(false);
  const act = useVerb(pipeline);
  const main = MAIN[pipeline.state];
  const isOn = pipeline.state === "running" || pipeline.state === "paused";
  const more = useMore(pipeline, isOn, act.run);
  return (
    <>
      {isOn && (
        <button type="button" className="button" onClick={() => setSending(true)}>
          <Icon name="send" /> Send a test event
        </button>
      )}
      {main && (
        <button
          type="button"
          className={`button ${main.verb === "pause" ? "" : "primary"}`}
          disabled={act.isRunning}
          onClick={() => act.run(main.verb)}
        >
          <Icon name={main.icon} /> {main.label}
        </button>
      )}
      <Menu label="More" icon="more" items={more} />
      {isSending && <SendEvent pipeline={pipeline} onClose={() => setSending(false)} />}
    </>
  );
}

function useVerb({ id }: Pipeline) {
  const api = useApi();
  return useAction({
    run: (verb: Verb) => api.streaming[`${verb}Pipeline`](id),
    failure: "The pipeline could not be changed",
    changes: [["pipelines"]],
  });
}

function useMore({ id, name }: Pipeline, isOn: boolean, act: (verb: Verb) => void): readonly MenuItem[] {
  const api = useApi();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const checkpoint = useAction({
    run: () => api.streaming.createCheckpoint(id),
    failure: "No checkpoint was created",
    success: "Checkpoint created.",
    changes: [pipelineKey(id)],
  });
  const remove = useAction({
    run: () => api.streaming.deletePipeline(id),
    failure: "The pipeline was not deleted",
    changes: [],
    onDone: () => void navigate({ to: "/pipelines" }),
  });
  const stop = async () => {
    const text = "It accepts no more events, and the contents of its windows are sent. A stopped pipeline cannot be started again.";
    if (await confirm({ title: `Stop ${name}?`, text, action: "Stop", isDangerous: true })) act("stop");
  };
  const askRemove = async () => {
    const text = "Its versions, checkpoints and dead letters are deleted, too.";
    if (await confirm({ title: `Delete ${name}?`, text, action: "Delete", isDangerous: true })) remove.run();
  };
  const always: MenuItem[] = [{ label: "Create a checkpoint", icon: "check", onSelect: () => checkpoint.run() }];
  return isOn
    ? [...always, { label: "Stop", icon: "stop", onSelect: () => void stop(), isDangerous: true }]
    : [...always, { label: "Delete", icon: "trash", onSelect: () => void askRemove(), isDangerous: true }];
}
