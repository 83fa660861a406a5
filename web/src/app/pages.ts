import type { IconName } from "../ui/Icon";

export interface PageLink {
  readonly to: "/chat" | "/live" | "/runs" | "/agents" | "/flows" | "/pipelines" | "/alerts" | "/settings";
  readonly label: string;
  readonly icon: IconName;
}

/** The pages in the rail, in its order. */
export const PAGES: readonly PageLink[] = [
  { to: "/chat", label: "Chat", icon: "chat" },
  { to: "/live", label: "Live", icon: "live" },
  { to: "/runs", label: "Runs", icon: "runs" },
  { to: "/agents", label: "Agents", icon: "agents" },
  { to: "/flows", label: "Flows", icon: "flows" },
  { to: "/pipelines", label: "Pipelines", icon: "pipelines" },
  { to: "/alerts", label: "Alerts", icon: "alerts" },
];

/** The page that the account menu leads to. */
export const SETTINGS: PageLink = { to: "/settings", label: "Settings", icon: "sliders" };
