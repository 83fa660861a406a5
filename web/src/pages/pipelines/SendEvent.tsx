import { type ReactNode, useState } from "react";
import { useApi } from "../../app/context";
import { FormDialog } from "../../ui/FormDialog";
import { JsonEditor, readJson } from "../../ui/json/JsonEditor";
import { toast } from "../../ui/toast";
import { type Pipeline, pipelineKey, usePipelineQuery } from "./model";

/** A form that pushes an event into the pipeline, like its source. */
export function SendEvent({ pipeline, onClose }: { pipeline: Pipeline; onClose: () => void }): ReactNode {
  const api = useApi();
  const recorded = usePipelineQuery(pipeline.id, "last-event", (streaming, options) => streaming.listRecordedEvents(pipeline.id, { ...options, limit: 1 }), false);
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? JSON.stringify(recorded.data?.items[0]?.payload ?? { message: "A test event" }, null, 2);
  const parsed = readJson(text);
  return (
    <FormDialog
      title="Send a test event"
      description="It passes through all steps and is delivered to the destinations, like any other event."
      action="Send"
      isReady={"value" in parsed}
      run={() => api.streaming.process(pipeline.id, { payload: { ...("value" in parsed && (parsed.value as object)) }, type: "test" })}
      changes={[pipelineKey(pipeline.id)]}
      onDone={({ id }) => toast.success("Event accepted.", { description: id })}
      onClose={onClose}
    >
      <JsonEditor label="Payload" value={text} onChange={setTyped} height="14rem" />
    </FormDialog>
  );
}
