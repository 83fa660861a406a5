import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { Icon } from "../../ui/Icon";
import { Menu } from "../../ui/Menu";
import { Section } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { Age, Time } from "../../ui/Time";
import { useAction } from "../../ui/useAction";
import { NewKey } from "./NewKey";
import { Permitted } from "./Permitted";
import { RotateKey } from "./RotateKey";
import { SecretDialog } from "./SecretDialog";

export type ApiKey = Schemas["ApiKeyView"];
export type Secret = Schemas["NewApiKeySecret"];

const CHANGES = [["keys"]];
const SOON_MS = 7 * 86_400_000;

/** The API keys of the organization, which can be created, rotated and revoked. A secret is shown once. */
export function KeysTab(): ReactNode {
  const api = useAdministration();
  const [dialog, setDialog] = useState<"new" | ApiKey | null>(null);
  const [secret, setSecret] = useState<Secret | null>(null);
  const query = useQuery({ queryKey: ["keys"], queryFn: ({ signal }) => api.keys.list({ signal }), refetchInterval: 30_000 });
  const create = (
    <button type="button" className="button primary" onClick={() => setDialog("new")}>
      <Icon name="plus" /> New key
    </button>
  );
  return (
    <Section title="API keys" actions={query.data && create}>
      <Permitted query={query} what="API keys">
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="No API keys yet.">Create a key for each server or job that calls the API without a user.</EmptyState>
          ) : (
            <Table caption="API keys" columns={columnsOf(setDialog)} rows={items} rowKey={({ id }) => id} />
          )
        }
      </Permitted>
      {dialog === "new" && <NewKey changes={CHANGES} onDone={setSecret} onClose={() => setDialog(null)} />}
      {dialog !== null && dialog !== "new" && (
        <RotateKey apiKey={dialog} changes={CHANGES} onDone={setSecret} onClose={() => setDialog(null)} />
      )}
      {secret && <SecretDialog secret={secret} onClose={() => setSecret(null)} />}
    </Section>
  );
}

function columnsOf(onRotate: (key: ApiKey) => void): readonly Column<ApiKey>[] {
  return [
    { key: "name", header: "Key", cell: ({ name }) => name },
    { key: "start", header: "Starts with", cell: (key) => <Starts apiKey={key} /> },
    { key: "scopes", header: "Scopes", cell: ({ scopes }) => scopes.join(", ") },
    { key: "used", header: "Last used", cell: ({ lastUsedAt }) => (lastUsedAt ? <Age at={lastUsedAt} /> : "never") },
    { key: "expires", header: "Expires", cell: ({ expiresAt }) => <Expiry at={expiresAt} /> },
    { key: "act", header: "Actions", align: "right", cell: (key) => <Actions apiKey={key} onRotate={() => onRotate(key)} /> },
  ];
}

/** The secrets that are valid: two while a rotation lasts. */
function Starts({ apiKey }: { apiKey: ApiKey }): ReactNode {
  const { start, previousStart, previousExpiresAt } = apiKey;
  return (
    <>
      <code>{start}…</code>
      {previousStart && (
        <div className="muted">
          <code>{previousStart}…</code> until {previousExpiresAt && <Time at={previousExpiresAt} />}
        </div>
      )}
    </>
  );
}

function Expiry({ at }: { at: string }): ReactNode {
  const left = Date.parse(at) - Date.now();
  return <span className={left < SOON_MS ? "failed" : ""}>{left < 0 ? "expired" : <Time at={at} />}</span>;
}

function Actions({ apiKey, onRotate }: { apiKey: ApiKey; onRotate: () => void }): ReactNode {
  const api = useAdministration();
  const confirm = useConfirm();
  const revoke = useAction({ run: () => api.keys.revoke(apiKey.id), failure: "The key was not revoked", success: "Key revoked.", changes: CHANGES });
  const ask = async () => {
    const text = "Programs that use this key are refused within a minute. This cannot be undone.";
    if (await confirm({ title: `Revoke ${apiKey.name}?`, text, action: "Revoke", isDangerous: true })) revoke.run();
  };
  return (
    <Menu
      label={`Actions for ${apiKey.name}`}
      icon="more"
      items={[
        { label: "Rotate…", icon: "refresh", onSelect: onRotate },
        { label: "Revoke", icon: "trash", isDangerous: true, onSelect: () => void ask() },
      ]}
    />
  );
}
