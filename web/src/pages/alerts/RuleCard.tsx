import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Badge } from "../../ui/Badge";
import { useConfirm } from "../../ui/Confirm";
import { formatAge } from "../../ui/format";
import { Menu } from "../../ui/Menu";
import { useAction } from "../../ui/useAction";
import { History } from "./History";
import { conditionOf, type Rule } from "./model";
import { RuleChart } from "./RuleChart";

interface RuleCardProps {
  readonly rule: Rule;
  readonly hours: number;
  readonly onEdit: () => void;
}

/** A rule with its state, metric and actions. */
export function RuleCard({ rule, hours, onEdit }: RuleCardProps): ReactNode {
  const api = useAdministration();
  const confirm = useConfirm();
  const [hasHistory, setHistory] = useState(false);
  const changes = [["alerts"]];
  const flip = useAction({
    run: () => api.alerts.update(rule.id, { enabled: !rule.enabled }),
    failure: "The rule was not changed",
    changes,
  });
  const removal = useAction({ run: () => api.alerts.delete(rule.id), failure: "The rule was not deleted", changes });
  const remove = async () => {
    if (await confirm({ title: `Delete ${rule.name}?`, action: "Delete", isDangerous: true })) removal.run();
  };
  return (
    <li className="card rule" aria-label={rule.name}>
      <header className="rule-head">
        <div>
          <h2>{rule.name}</h2>
          <p className="muted">{conditionOf(rule)}</p>
          <p>
            <RuleBadge rule={rule} />
          </p>
        </div>
        <Menu
          label={`Actions for ${rule.name}`}
          icon="more"
          items={[
            { label: "Edit", icon: "edit", onSelect: onEdit },
            { label: "History", icon: "runs", onSelect: () => setHistory(true) },
            { label: rule.enabled ? "Switch off" : "Switch on", icon: rule.enabled ? "pause" : "play", onSelect: () => flip.run() },
            { label: "Delete", icon: "trash", isDangerous: true, onSelect: () => void remove() },
          ]}
        />
      </header>
      <RuleChart rule={rule} hours={hours} />
      {hasHistory && <History rule={rule} onClose={() => setHistory(false)} />}
    </li>
  );
}

function RuleBadge({ rule }: { rule: Rule }): ReactNode {
  const { triggered, triggeredAt, alerts } = rule.state;
  if (!rule.enabled) return <Badge tone="quiet">off</Badge>;
  if (triggered) return <Badge tone="bad">triggered {triggeredAt ? formatAge(triggeredAt) : ""}</Badge>;
  return <Badge tone="good">{alerts === 0 ? "never triggered" : `ok, triggered ${alerts === 1 ? "once" : `${alerts} times`}`}</Badge>;
}
