import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useAgentNames } from "../../app/agentNames";
import { useAdministration } from "../../app/context";
import { formatCost, formatNumber, formatTime } from "../../ui/format";
import { Section } from "../../ui/Page";
import { SearchField } from "../../ui/SearchField";
import { isRefused, Loaded, Loading } from "../../ui/states";
import { LimitsForm } from "./LimitsForm";
import { Permitted } from "./Permitted";

type Level = Schemas["UsageOfLevel"];

const REFRESH_MS = 15_000;
const LEVELS = { organization: "The organization", user: "User", agent: "Agent" };

/** Today's usage and limits. Admins can change the limits and view any user and agent. */
export function UsageTab(): ReactNode {
  const api = useAdministration();
  const [userId, setUserId] = useState("");
  const [agentId, setAgentId] = useState("");
  const limits = useQuery({ queryKey: ["limits"], queryFn: ({ signal }) => api.limits.get({ signal }) });
  const usage = useUsage(userId, agentId);
  // Until then it is unknown who may choose, and showing the choices later would move the content.
  if (limits.isPending) return <Loading lines={8} />;
  const choices = (
    <div className="filters">
      <SearchField label="User" onSearch={setUserId} />
      <AgentChoice value={agentId} onChange={setAgentId} />
    </div>
  );
  return (
    <>
      <Section title="Today">
        {limits.data && choices}
        <Loaded query={usage}>{(found) => <Levels usage={found} />}</Loaded>
      </Section>
      {!isRefused(limits.error) && (
        <Section title="Limits">
          <Permitted query={limits} what="Limits">
            {(found) => <LimitsForm limits={found} />}
          </Permitted>
        </Section>
      )}
    </>
  );
}

function useUsage(userId: string, agentId: string) {
  const api = useAdministration();
  return useQuery({
    queryKey: ["usage", userId, agentId],
    queryFn: ({ signal }) => api.limits.usage({ userId: userId || null, agentId: agentId || null, signal }),
    refetchInterval: REFRESH_MS,
    placeholderData: (before) => before,
  });
}

function Levels({ usage: { items, resetsAt } }: { usage: Schemas["UsageToday"] }): ReactNode {
  return (
    <>
      <ul className="usage" aria-label="Usage">
        {items.map((level) => (
          <LevelCard key={`${level.level} ${level.id}`} level={level} />
        ))}
      </ul>
      <p className="muted">Days begin at midnight UTC. These counts reset on {formatTime(resetsAt)}.</p>
    </>
  );
}

function AgentChoice({ value, onChange }: { value: string; onChange: (id: string) => void }): ReactNode {
  const agents = useAgentNames();
  return (
    <select className="input" aria-label="Agent" value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">Agent: none</option>
      {agents.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}

function LevelCard({ level }: { level: Level }): ReactNode {
  const { tokens, tokensPerDay, cost, costPerDay } = level;
  return (
    <li className="card stack">
      <h3>
        {LEVELS[level.level]} {level.id && <span className="mono">{level.id}</span>}
      </h3>
      <Meter label="Tokens" used={tokens} limit={tokensPerDay} format={formatNumber} />
      <Meter label="Cost" used={cost} limit={costPerDay} format={formatCost} />
    </li>
  );
}

interface MeterProps {
  readonly label: string;
  readonly used: number | null;
  readonly limit: number | null;
  readonly format: (value: number) => string;
}

/** Without a limit nothing is counted, which differs from 0. */
function Meter({ label, used, limit, format }: MeterProps): ReactNode {
  const known = used === null ? "not counted" : format(used);
  return (
    <div className="meter">
      <span>{label}</span>
      <span className="numeric">{limit === null ? `${known}, no limit` : `${known} of ${format(limit)}`}</span>
      {limit !== null && used !== null && (
        <meter aria-label={`${label} of the limit`} min={0} max={limit || 1} high={limit * 0.8} optimum={0} value={Math.min(used, limit || 1)} />
      )}
    </div>
  );
}
