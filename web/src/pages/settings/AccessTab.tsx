import type { Schemas } from "@millrace/client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useAdministration, useSession } from "../../app/context";
import { useConfirm } from "../../ui/Confirm";
import { Icon } from "../../ui/Icon";
import { Section } from "../../ui/Page";
import { EmptyState } from "../../ui/states";
import { type Column, Table } from "../../ui/Table";
import { Time } from "../../ui/Time";
import { useAction } from "../../ui/useAction";
import { Permitted } from "./Permitted";
import { SignOutUser } from "./SignOutUser";

type Revocation = Schemas["RevocationView"];
export const CHANGES = [["revocations"]];

const COLUMNS: readonly Column<Revocation>[] = [
  { key: "who", header: "Signed out", cell: ({ userId }) => userId ?? "Everybody" },
  { key: "before", header: "Tokens issued before", cell: ({ notBefore }) => <Time at={notBefore} /> },
  { key: "by", header: "By", cell: ({ createdBy }) => createdBy },
];

/** Revocations, and signing out yourself, a user or everybody on all devices. */
export function AccessTab(): ReactNode {
  const api = useAdministration();
  const [isAsking, setAsking] = useState(false);
  const query = useQuery({ queryKey: ["revocations"], queryFn: ({ signal }) => api.revocations.list({ signal }), refetchInterval: 30_000 });
  const actions = (
    <>
      <SignMeOut />
      <button type="button" className="button dangerous" onClick={() => setAsking(true)}>
        <Icon name="exit" /> Sign out others…
      </button>
    </>
  );
  return (
    <Section title="Sign-outs" actions={query.data && actions}>
      <Permitted query={query} what="Sign-outs">
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title="Nobody has been signed out.">
              Signing somebody out revokes all tokens issued to them so far and ends their open streams. It takes effect within five seconds.
            </EmptyState>
          ) : (
            <Table caption="Sign-outs, the latest first" columns={COLUMNS} rows={items} rowKey={({ userId, notBefore }) => `${userId} ${notBefore}`} />
          )
        }
      </Permitted>
      {isAsking && <SignOutUser onClose={() => setAsking(false)} />}
    </Section>
  );
}

/** Revokes the user's own tokens, including those of other browsers and programs, and signs out. */
function SignMeOut(): ReactNode {
  const api = useAdministration();
  const { auth } = useSession();
  const confirm = useConfirm();
  const { id } = auth.account;
  const leave = useAction({
    run: () => api.revocations.create({ userId: id }),
    failure: "You were not signed out",
    changes: [],
    onDone: () => void auth.signOut(),
  });
  const ask = async () => {
    const text = "All of your tokens stop working: in this browser, in all others, and in programs that use them. A browser that is still signed in at your identity provider can sign in again.";
    if (await confirm({ title: "Sign out everywhere?", text, action: "Sign out everywhere", isDangerous: true })) leave.run();
  };
  if (id === null) return null;
  return (
    <button type="button" className="button" disabled={leave.isRunning} onClick={() => void ask()}>
      Sign me out everywhere
    </button>
  );
}
