import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useId, useState } from "react";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { problemsOf } from "../../ui/json/JsonEditor";
import { toast } from "../../ui/toast";
import type { Rule } from "./model";
import { RuleChart } from "./RuleChart";
import { RuleFields } from "./RuleFields";
import { type RuleDraft, settingsOf, draftOf } from "./draft";

interface RuleDialogProps {
  /** Null for a new one. */
  readonly rule: Rule | null;
  readonly onClose: () => void;
}

/** A rule in a form, drawn over its metric while it is made. */
export function RuleDialog({ rule, onClose }: RuleDialogProps): ReactNode {
  const api = useAdministration();
  const queries = useQueryClient();
  const formId = useId();
  const [draft, setDraft] = useState<RuleDraft>(() => draftOf(rule));
  const settings = settingsOf(draft);
  const save = useMutation({
    mutationFn: () => (rule ? api.alerts.update(rule.id, settings) : api.alerts.create(settings)),
    onSuccess: async () => {
      toast.success(rule ? "Rule saved." : "Rule created.");
      onClose();
      await queries.invalidateQueries({ queryKey: ["alerts"] });
    },
  });
  return (
    <Dialog
      title={rule ? `Edit ${rule.name}` : "New alert rule"}
      isOpen
      isWide
      onClose={onClose}
      footer={
        <button type="submit" form={formId} className="button primary" disabled={save.isPending}>
          {rule ? "Save" : "Create"}
        </button>
      }
    >
      <form
        id={formId}
        className="split"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <RuleFields draft={draft} onChange={setDraft} problems={problemsOf(save.error)} />
        <RuleChart rule={settings} hours={1} />
      </form>
    </Dialog>
  );
}
