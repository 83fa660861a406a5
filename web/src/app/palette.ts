import type { NavigateOptions } from "@tanstack/react-router";
import type { IconName } from "../ui/Icon";
import type { Auth } from "../api/auth";
import { PAGES, SETTINGS } from "./pages";
import { chooseTheme } from "./theme";

export interface Entry {
  readonly id: string;
  readonly label: string;
  readonly icon: IconName;
  /** Additional words by which the entry is found. */
  readonly words?: string;
  /** The address that it opens, or the action that it runs. */
  readonly to: NavigateOptions | (() => void);
}

export interface Group {
  readonly heading: string;
  readonly entries: readonly Entry[];
}

export const PAGE_GROUP: Group = {
  heading: "Pages",
  entries: [...PAGES, SETTINGS].map(({ to, label, icon }) => ({ id: to, label, icon, to: { to } })),
};

/** Actions that are available everywhere. */
export function actionsOf(auth: Auth): Group {
  const make = (label: string, to: NavigateOptions): Entry => ({ id: label, label, icon: "plus", words: "create add", to });
  return {
    heading: "Actions",
    entries: [
      make("New conversation", { to: "/chat" }),
      make("New agent", { to: "/agents/$agentId", params: { agentId: "+new" } }),
      make("New flow", { to: "/flows/$name", params: { name: "+new" } }),
      make("New pipeline", { to: "/pipelines/$pipelineId", params: { pipelineId: "+new" } }),
      { id: "keys", label: "API keys", icon: "sliders", to: { to: "/settings", hash: "keys" } },
      { id: "stops", label: "Stop an agent", icon: "stop", words: "kill switch", to: { to: "/settings", hash: "stops" } },
      { id: "light", label: "Light colors", icon: "sun", words: "theme", to: () => chooseTheme("light") },
      { id: "dark", label: "Dark colors", icon: "moon", words: "theme", to: () => chooseTheme("dark") },
      { id: "system", label: "System colors", icon: "system", words: "theme", to: () => chooseTheme("system") },
      { id: "exit", label: "Sign out", icon: "exit", to: () => void auth.signOut() },
    ],
  };
}

/** Returns the entries that contain every typed word. */
export function matching(groups: readonly Group[], search: string): readonly Group[] {
  const words = search.toLowerCase().split(/\s+/);
  const fits = ({ label, words: more = "" }: Entry) => {
    const text = `${label} ${more}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return groups
    .map(({ heading, entries }) => ({ heading, entries: entries.filter(fits) }))
    .filter(({ entries }) => entries.length > 0);
}
