import { useQuery } from "@tanstack/react-query";
import { useNavigate, type NavigateOptions } from "@tanstack/react-router";
import { Command } from "cmdk";
import { type ReactNode, useEffect, useState } from "react";
import { Icon, type IconName } from "../ui/Icon";
import { useApi } from "./context";
import { PAGES, SETTINGS } from "./pages";
import "./palette.css";

interface Entry {
  readonly id: string;
  readonly label: string;
  readonly icon: IconName;
  readonly to: NavigateOptions;
}

interface Group {
  readonly heading: string;
  readonly entries: readonly Entry[];
}

/** What can be gone to, found by its name. */
export function PaletteList({ onDone }: { onDone: () => void }): ReactNode {
  const navigate = useNavigate();
  const go = (to: NavigateOptions) => {
    onDone();
    void navigate(to);
  };
  const [search, setSearch] = useState("");
  const groups = matching(useGroups(), search);
  const [chosen, setChosen] = useState("");
  // Lists come while a name is being typed: what Enter goes to is always the first that is shown.
  const first = groups[0]?.entries[0];
  useEffect(() => setChosen(first ? valueOf(groups[0]?.heading ?? "", first) : ""), [search, first?.id]);
  return (
    <Command label="Go to" className="palette" shouldFilter={false} value={chosen} onValueChange={setChosen}>
      <Command.Input
        className="input"
        placeholder="Pages, conversations, agents, pipelines…"
        autoFocus
        value={search}
        onValueChange={setSearch}
      />
      <Command.List className="palette-list">
        <Command.Empty className="palette-empty">Nothing of this name.</Command.Empty>
        {groups.map(({ heading, entries }) => (
          <Command.Group key={heading} heading={heading}>
            {entries.map((entry) => (
              <Command.Item key={entry.id} value={valueOf(heading, entry)} onSelect={() => go(entry.to)}>
                <Icon name={entry.icon} /> <span>{entry.label}</span>
              </Command.Item>
            ))}
          </Command.Group>
        ))}
      </Command.List>
    </Command>
  );
}

function valueOf(heading: string, { id }: Entry): string {
  return `${heading} ${id}`.toLowerCase();
}

/** The entries whose names have every word that was typed. */
function matching(groups: readonly Group[], search: string): readonly Group[] {
  const words = search.toLowerCase().split(/\s+/);
  const fits = ({ label }: Entry) => words.every((word) => label.toLowerCase().includes(word));
  return groups
    .map(({ heading, entries }) => ({ heading, entries: entries.filter(fits) }))
    .filter(({ entries }) => entries.length > 0);
}

const PAGE_GROUP: Group = {
  heading: "Pages",
  entries: [...PAGES, SETTINGS].map(({ to, label, icon }) => ({ id: to, label, icon, to: { to } })),
};

function useGroups(): readonly Group[] {
  const api = useApi();
  const conversations = useEntries("Conversations", (options) => api.conversations.list(options), ({ id, title }) => ({
    id,
    label: title || "Untitled",
    icon: "chat",
    to: { to: "/chat/$conversationId", params: { conversationId: id } },
  }));
  const agents = useEntries("Agents", (options) => api.agents.list(options), ({ id, name }) => ({
    id,
    label: name,
    icon: "agents",
    to: { to: "/agents/$agentId", params: { agentId: id } },
  }));
  const pipelines = useEntries("Pipelines", (options) => api.streaming.listPipelines(options), ({ id, name }) => ({
    id,
    label: name,
    icon: "pipelines",
    to: { to: "/pipelines/$pipelineId", params: { pipelineId: id } },
  }));
  return [PAGE_GROUP, conversations, agents, pipelines];
}

type Load<Item> = (options: { readonly signal: AbortSignal }) => Promise<{ readonly items: readonly Item[] }>;

/** Whoever may not read a list finds its group empty. */
function useEntries<Item>(heading: string, load: Load<Item>, entryOf: (item: Item) => Entry): Group {
  const { data } = useQuery({
    queryKey: ["palette", heading],
    queryFn: ({ signal }) => load({ signal }),
    staleTime: 10_000,
  });
  return { heading, entries: (data?.items ?? []).map(entryOf) };
}
