import { type ReactNode, useState } from "react";
import { useAgentNames } from "../../app/agentNames";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import { CHANGES } from "./StopsTab";

/** Stops an agent, or all of the organization, with a reason that users are told. */
export function NewStop({ onClose }: { onClose: () => void }): ReactNode {
  const api = useAdministration();
  const [agentId, setAgentId] = useState("");
  const [isAll, setAll] = useState(false);
  const [reason, setReason] = useState("");
  const agents = useAgentNames();
  return (
    <FormDialog
      title="Stop"
      description="Running answers end, and what they have said is kept. Runs that wait for a person end as soon as they are answered."
      action={isAll ? "Stop the organization" : "Stop the agent"}
      isDangerous
      isReady={reason.trim() !== "" && (isAll || agentId !== "")}
      run={() => api.limits.stop({ agentId: isAll ? null : agentId, reason: reason.trim() })}
      success="Stopped. Runs end within ten seconds."
      changes={CHANGES}
      onClose={onClose}
    >
      <label className="check">
        <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.target.checked)} />
        All agents of the organization
      </label>
      {!isAll && (
        <Field label="Agent">
          {(ids) => (
            <select {...ids} required value={agentId} onChange={(event) => setAgentId(event.target.value)}>
              <option value="">Choose one</option>
              {agents.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      <Field label="Reason" hint="Shown to everybody who sends a message.">
        {(ids) => <textarea {...ids} required rows={3} maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
