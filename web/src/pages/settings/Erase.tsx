import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { explain } from "../../api/explain";
import { useAdministration } from "../../app/context";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { toast } from "../../ui/toast";
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
      "Deletes the user's conversations with their messages, runs and files, and the user's memories, files and shares. It cannot be undone. Disable the account at your identity provider first. The user's API keys stay: revoke them.",
    label: "User",
    hint: "The id that runs and the audit log show: the sub of the token.",
    action: "Erase the user",
  },
  organization: {
    title: "Erase the organization",
    consequence:
      "Deletes everything of the organization: conversations, agents, flows, pipelines, keys, files, limits, the audit log. Every request is refused from now on, yours included. It cannot be undone, and not be stopped.",
    label: "Organization",
    hint: "Its name, as your token has it.",
    action: "Erase everything",
  },
};

/** Begins an erasure, after its subject was typed, and typed again. */
export function Erase({ subject, changes, onClose }: EraseProps): ReactNode {
  const api = useAdministration();
  const queries = useQueryClient();
  const formId = useId();
  const words = WORDS[subject];
  const isUser = subject === "user";
  const [name, setName] = useState("");
  const [again, setAgain] = useState("");
  const typed = again.trim();
  const erase = useMutation({
    mutationFn: () => api.erasures.create(isUser ? { userId: typed } : { organization: typed }),
    onSuccess: async () => {
      toast.success("The erasure has begun.");
      onClose();
      await Promise.all(changes.map((queryKey) => queries.invalidateQueries({ queryKey })));
    },
  });
  // The name of the organization is compared by the server.
  const isConfirmed = typed !== "" && (!isUser || typed === name.trim());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isConfirmed) erase.mutate();
  };
  return (
    <Dialog
      title={words.title}
      description={words.consequence}
      isOpen
      onClose={onClose}
      footer={
        <>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form={formId} className="button dangerous" disabled={!isConfirmed || erase.isPending}>
            {words.action}
          </button>
        </>
      }
    >
      <form id={formId} className="stack" autoComplete="off" onSubmit={submit}>
        {isUser && (
          <Field label={words.label} hint={words.hint}>
            {(ids) => <input {...ids} required maxLength={255} value={name} onChange={(event) => setName(event.target.value)} />}
          </Field>
        )}
        <Field label={isUser ? "The same again, to confirm" : `${words.label}, to confirm`} {...(!isUser && { hint: words.hint })}>
          {(ids) => <input {...ids} required maxLength={255} value={again} onChange={(event) => setAgain(event.target.value)} />}
        </Field>
        {erase.error && (
          <p className="field-error" role="alert">
            {explain(erase.error)}
          </p>
        )}
      </form>
    </Dialog>
  );
}
