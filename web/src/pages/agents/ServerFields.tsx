import type { ReactNode } from "react";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Section } from "../../ui/Page";
import { errorOf, type PartProps } from "./BasicFields";
import { type DraftServer, newServer } from "./draft";

const MOST_SERVERS = 8;
const WORDS = {
  mcpServers: { title: "MCP servers", one: "MCP server", url: "https://example.com/mcp" },
  a2aAgents: { title: "A2A agents", one: "A2A agent", url: "https://example.com" },
};

/** MCP servers whose tools the agent gets, or remote agents that it may call. */
export function ServerFields({ draft, change, problems, kind }: PartProps & { kind: keyof typeof WORDS }): ReactNode {
  const servers = draft[kind];
  const words = WORDS[kind];
  const put = (changed: DraftServer) => change({ [kind]: servers.map((one) => (one.key === changed.key ? changed : one)) });
  const remove = (key: number) => change({ [kind]: servers.filter((one) => one.key !== key) });
  const add = (
    <button
      type="button"
      className="button"
      disabled={servers.length >= MOST_SERVERS}
      onClick={() => change({ [kind]: [...servers, newServer()] })}
    >
      <Icon name="plus" /> Add an {words.one}
    </button>
  );
  return (
    <Section title={words.title} actions={add}>
      {servers.map((server, at) => (
        <fieldset key={server.key} className="card stack plain-card" aria-label={server.name || `New ${words.one}`}>
          <ServerInputs
            server={server}
            words={words}
            hasTools={kind === "mcpServers"}
            error={(field) => errorOf(problems, `${kind}.${at}.${field}`)}
            onChange={put}
          />
          <div className="buttons">
            <button type="button" className="button" onClick={() => remove(server.key)}>
              Remove
            </button>
          </div>
        </fieldset>
      ))}
    </Section>
  );
}

interface ServerInputsProps {
  readonly server: DraftServer;
  readonly words: { readonly url: string };
  readonly hasTools: boolean;
  readonly error: (field: string) => string | null;
  readonly onChange: (server: DraftServer) => void;
}

function ServerInputs({ server, words, hasTools, error, onChange }: ServerInputsProps): ReactNode {
  const set = (changes: Partial<DraftServer>) => onChange({ ...server, ...changes });
  return (
    <>
      <Field label="Name" hint="Its tools are named <name>__<tool>." error={error("name")}>
        {(ids) => <input {...ids} required value={server.name} onChange={(event) => set({ name: event.target.value })} />}
      </Field>
      <Field label="URL" error={error("url")}>
        {(ids) => (
          <input {...ids} required type="url" placeholder={words.url} value={server.url} onChange={(event) => set({ url: event.target.value })} />
        )}
      </Field>
      <Field label="Headers" hint="One per line, as Name: value. Values are encrypted and never shown again; leave [hidden] to keep a value." error={error("headers")}>
        {(ids) => <textarea {...ids} rows={2} value={server.headers} onChange={(event) => set({ headers: event.target.value })} />}
      </Field>
      <Field label="Scope" hint="The scope that a user needs to use it. Leave empty for none." error={error("scope")}>
        {(ids) => <input {...ids} value={server.scope} onChange={(event) => set({ scope: event.target.value })} />}
      </Field>
      {hasTools && (
        <Field label="Only these tools" hint="One per line. Leave empty for all." error={error("tools")}>
          {(ids) => <textarea {...ids} rows={2} value={server.tools} onChange={(event) => set({ tools: event.target.value })} />}
        </Field>
      )}
    </>
  );
}
