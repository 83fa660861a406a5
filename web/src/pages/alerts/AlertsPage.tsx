import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { EmptyState, Loaded } from "../../ui/states";
import type { Rule } from "./model";
import { RuleCard } from "./RuleCard";
import { RuleDialog } from "./RuleDialog";
import "./alerts.css";

const HOURS = [1, 6, 24];

/** The alert rules, each drawn over its metric. */
export default function AlertsPage(): ReactNode {
  const api = useAdministration();
  const [edited, setEdited] = useState<Rule | "new" | null>(null);
  const [hours, setHours] = useState(1);
  const query = useQuery({
    queryKey: ["alerts"],
    queryFn: ({ signal }) => api.alerts.list({ signal }) as Promise<{ items: readonly Rule[] }>,
    refetchInterval: 5000,
  });
  const create = (
    <button type="button" className="button primary" onClick={() => setEdited("new")}>
      <Icon name="plus" /> New rule
    </button>
  );
  const span = (
    <select className="input" aria-label="Span of time" value={hours} onChange={(event) => setHours(Number(event.target.value))}>
      {HOURS.map((one) => (
        <option key={one} value={one}>
          {one === 1 ? "Last hour" : `Last ${one} hours`}
        </option>
      ))}
    </select>
  );
  return (
    <Page
      title="Alerts"
      about="Rules that watch your agents and pipelines. An alert triggers once, and resolves once."
      actions={
        <>
          {span}
          {create}
        </>
      }
    >
      <Loaded query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="No alert rules yet." action={create}>
              A rule alerts you when agents fail, become slow or expensive, or when pipelines fall behind.
            </EmptyState>
          ) : (
            <ul className="rules" aria-label="Alert rules">
              {items.map((rule) => (
                <RuleCard key={rule.id} rule={rule} hours={hours} onEdit={() => setEdited(rule)} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {edited && <RuleDialog rule={edited === "new" ? null : edited} onClose={() => setEdited(null)} />}
    </Page>
  );
}
