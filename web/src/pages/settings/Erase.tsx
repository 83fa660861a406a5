import { type ReactNode, useState } from "react";
import { useAdministration } from "../../app/context";
import { Field } from "../../ui/Field";
import { FormDialog } from "../../ui/FormDialog";
import type { Subject } from "./Erasures";

interface EraseProps {
  readonly subject: Subject;
  readonly changes: readonly (readonly unknown[])[];
  readonly onClose: () => void;
}

interface Words {
  readonly title: string;
  readonly consequence: string;
  readonly label: string;
  readonly hint: string;
  readonly action: string;
}

const WORDS: Record<Subject, Words> = {
  user: {
    title: "Erase a user",
    consequence:
      "Deletes the user's conversations with their messages, runs and files, and the user's memories, files and shares. This cannot be undone. Disable the account at your identity provider first. API keys that the user created are kept: revoke them separately.",
    label: "User",
    hint: "The user id that runs and the audit log show (the sub claim of the token).",
    action: "Erase the user",
  },
  organization: {
    title: "Erase the organization",
    consequence:
      "Deletes everything in the organization: conversations, agents, flows, pipelines, keys, files, limits and the audit log. From now on every request is refused, including yours. This cannot be undone or stopped.",
    label: "Organization",
    hint: "The name of your organization, as in your token.",
    action: "Erase everything",
  },
};

/** Starts an erasure, after its subject was typed twice. */
export function Erase({ subject, changes, onClose }: EraseProps): ReactNode {
  const api = useAdministration();
  const words = WORDS[subject];
  const isUser = subject === "user";
  const [name, setName] = useState("");
  const [again, setAgain] = useState("");
  const typed = again.trim();
  return (
    <FormDialog
      title={words.title}
      description={words.consequence}
      action={words.action}
      isDangerous
      // The server checks the name of the organization.
      isReady={typed !== "" && (!isUser || typed === name.trim())}
      run={() => api.erasures.create(isUser ? { userId: typed } : { organization: typed })}
      success="Erasure started."
      changes={changes}
      onClose={onClose}
    >
      {isUser && (
        <Field label={words.label} hint={words.hint}>
          {(ids) => <input {...ids} required maxLength={255} value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
      )}
      <Field label={isUser ? "Type the id again, to confirm" : `${words.label}, to confirm`} {...(!isUser && { hint: words.hint })}>
        {(ids) => <input {...ids} required maxLength={255} value={again} onChange={(event) => setAgain(event.target.value)} />}
      </Field>
    </FormDialog>
  );
}
