import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { FormDialog } from "../../ui/FormDialog";
import { problemsOf } from "../../ui/json/JsonEditor";
import type { Rule } from "./model";
import { RuleChart } from "./RuleChart";
import { RuleFields } from "./RuleFields";
import { type RuleDraft, settingsOf, draftOf } from "./draft";

const CHANGES = [["alerts"]];

interface RuleDialogProps {
  /** Null for a new one. */
  readonly rule: Rule | null;
  readonly onClose: () => void;
}

/** The form of a rule, which is drawn over its metric while you edit it. */
export function RuleDialog({ rule, onClose }: RuleDialogProps): ReactNode {
  const api = useAdministration();
  const [draft, setDraft] = useState<RuleDraft>(() => draftOf(rule));
  const settings = settingsOf(draft);
  return (
    <FormDialog
      title={rule ? `Edit ${rule.name}` : "New alert rule"}
      isWide
      action={rule ? "Save" : "Create"}
      run={() => (rule ? api.alerts.update(rule.id, settings) : api.alerts.create(settings))}
      success={rule ? "Rule saved." : "Rule created."}
      changes={CHANGES}
      onClose={onClose}
    >
      {(error) => (
        <>
          <RuleFields draft={draft} onChange={setDraft} problems={problemsOf(error)} />
          <RuleChart rule={settings} hours={1} />
        </>
      )}
    </FormDialog>
  );
}
