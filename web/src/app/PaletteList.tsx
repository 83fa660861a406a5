import { useQuery } from "@tanstack/react-query";
import { useNavigate, type NavigateOptions } from "@tanstack/react-router";
import { Command } from "cmdk";
import type { ReactNode } from "react";
import { Icon, type IconName } from "../ui/Icon";
import { useApi } from "./context";
import { PAGES } from "./pages";
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
export default function PaletteList({ onDone }: { onDone: () => void }): ReactNode {
  const navigate = useNavigate();
  const go = (to: NavigateOptions) => {
    onDone();
    void navigate(to);
  };
  return (
    <Command label="Go to" className="palette">
      <Command.Input className="input" placeholder="Pages, conversations, agents, pipelines…" autoFocus />
      <Command.List className="palette-list">
        <Command.Empty className="palette-empty">Nothing of this name.</Command.Empty>
        {useGroups().map(({ heading, entries }) => (
          <Command.Group key={heading} heading={heading}>
            {entries.map(({ id, label, icon, to }) => (
              <Command.Item key={id} value={`${heading} ${id}`} keywords={[label]} onSelect={() => go(to)}>
                <Icon name={icon} /> <span>{label}</span>
              </Command.Item>
            ))}
          </Command.Group>
        ))}
      </Command.List>
    </Command>
  );
}

const PAGE_GROUP: Group = {
  heading: "Pages",
  entries: PAGES.map(({ to, label, icon }) => ({ id: to, label, icon, to: { to } })),
};

function useGroups(): readonly Group[] {
  const conversations = useEntries("/api/conversations", "Conversations", (item: { id: string; title: string | null }) => ({
    id: item.id,
    label: item.title ?? "Untitled",
    icon: "chat",
    to: { to: "/chat/$conversationId", params: { conversationId: item.id } },
  }));
  const agents = useEntries("/api/agents", "Agents", (item: { id: string; name: string }) => ({
    id: item.id,
    label: item.name,
    icon: "agents",
    to: { to: "/agents/$agentId", params: { agentId: item.id } },
  }));
  const pipelines = useEntries("/api/streaming/pipelines", "Pipelines", (item: { id: string; name: string }) => ({
    id: item.id,
    label: item.name,
    icon: "pipelines",
    to: { to: "/pipelines/$pipelineId", params: { pipelineId: item.id } },
  }));
  return [PAGE_GROUP, ...[conversations, agents, pipelines].filter(({ entries }) => entries.length > 0)];
}

/** Whoever may not read a list finds its group empty. */
function useEntries<Item>(path: string, heading: string, entryOf: (item: Item) => Entry): Group {
  const api = useApi();
  const { data } = useQuery({
    queryKey: ["palette", path],
    queryFn: ({ signal }) => api.get<{ items: readonly Item[] }>(path, {}, signal),
    staleTime: 10_000,
    retry: false,
  });
  return { heading, entries: (data?.items ?? []).map(entryOf) };
}
