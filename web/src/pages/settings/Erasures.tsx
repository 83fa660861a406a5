import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Badge } from "../../ui/Badge";
import { formatNumber } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { Section } from "../../ui/Page";
import { EmptyState, isRefused, Loaded } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { Erase } from "./Erase";

type Erasure = Schemas["ErasureView"];
export type Subject = "user" | "organization";

const CHANGES = [["erasures"]];
const REFRESH_MS = 3000;

const COLUMNS: readonly Column<Erasure>[] = [
  { key: "who", header: "Erased", cell: ({ userId }) => userId ?? "The organization" },
  { key: "state", header: "State", cell: (erasure) => <Progress erasure={erasure} /> },
  { key: "removed", header: "Deleted", align: "right", cell: ({ removed }) => formatNumber(removed) },
  { key: "by", header: "By", cell: ({ createdBy }) => createdBy },
  { key: "begun", header: "Started", cell: ({ createdAt }) => <Time at={createdAt} /> },
  { key: "done", header: "Finished", align: "right", cell: ({ doneAt }) => (doneAt ? <Time at={doneAt} /> : "–") },
];

/** Active and recent erasures, and a button to start one. */
export function Erasures(): ReactNode {
  const api = useAdministration();
  const [subject, setSubject] = useState<Subject | null>(null);
  const query = useQuery({ queryKey: ["erasures"], queryFn: ({ signal }) => api.erasures.list({ signal }), refetchInterval: REFRESH_MS });
  // "Retention" above has already shown this error.
  if (isRefused(query.error)) return null;
  const actions = (
    <>
      <button type="button" className="button dangerous" onClick={() => setSubject("user")}>
        <Icon name="trash" /> Erase a user…
      </button>
      <button type="button" className="button dangerous" onClick={() => setSubject("organization")}>
        Erase the organization…
      </button>
    </>
  );
  return (
    <Section title="Erasure" actions={query.data && actions}>
      <Loaded query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="Nothing has been erased in the last 30 days.">
              An erasure deletes everything that a user, or the whole organization, has stored. It continues even if you close this page.
            </EmptyState>
          ) : (
            <Table caption="Erasures" columns={COLUMNS} rows={items} rowKey={({ userId, createdAt }) => `${userId} ${createdAt}`} />
          )
        }
      </Loaded>
      {subject && <Erase subject={subject} changes={CHANGES} onClose={() => setSubject(null)} />}
    </Section>
  );
}

/** Describes the current step of an erasure; an unknown step has the server's name. */
const STEPS: Readonly<Record<string, string>> = {
  counts: "usage counters",
  quiet: "waiting about 20 minutes until nothing is running",
  objects: "files and stored events",
  items: "everything else",
};

function Progress({ erasure: { state, step } }: { erasure: Erasure }): ReactNode {
  if (state === "done") return <Badge tone="good">done</Badge>;
  return (
    <>
      <Badge tone="active">running</Badge> <span className="muted">{STEPS[step] ?? step}</span>
    </>
  );
}
