import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { JsonEditor, readJson } from "../../ui/json/JsonEditor";
import { toast } from "../../ui/toast";
import { useAction } from "../../ui/useAction";
import { type Pipeline, pipelineKey, usePipelineQuery } from "./model";

/** An event pushed into the pipeline, as its source would. */
export function SendEvent({ pipeline, onClose }: { pipeline: Pipeline; onClose: () => void }): ReactNode {
  const api = useApi();
  const recorded = usePipelineQuery(pipeline.id, "last-event", (streaming, options) => streaming.listRecordedEvents(pipeline.id, { ...options, limit: 1 }), false);
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? JSON.stringify(recorded.data?.items[0]?.payload ?? { message: "A test event" }, null, 2);
  const parsed = readJson(text);
  const send = useAction({
    run: (payload: object) => api.streaming.process(pipeline.id, { payload: { ...payload }, type: "test" }),
    failure: "The event was not accepted",
    changes: [pipelineKey(pipeline.id)],
    onDone: ({ id }) => {
      toast.success("Event accepted.", { description: id });
      onClose();
    },
  });
  return (
    <Dialog
      title="Send a test event"
      description="It goes through all steps and to the destinations, as any other event."
      isOpen
      onClose={onClose}
      footer={
        <button
          type="button"
          className="button primary"
          disabled={send.isRunning || !("value" in parsed)}
          onClick={() => "value" in parsed && send.run(parsed.value as object)}
        >
          Send
        </button>
      }
    >
      <JsonEditor label="Payload" value={text} onChange={setTyped} height="14rem" />
    </Dialog>
  );
}
