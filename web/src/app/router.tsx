import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { BrokenPage, NoSuchPage } from "./BrokenPage";
import { Shell } from "./Shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NoSuchPage });
const under = () => root;

/** Links of earlier versions: `#/c/<conversation>`. */
const OLD_LINK = /^\/?c\/([^/]+)$/;

const home = createRoute({
  getParentRoute: under,
  path: "/",
  beforeLoad: ({ location }) => {
    const conversationId = OLD_LINK.exec(location.hash)?.[1];
    throw conversationId ? redirect({ to: "/chat/$conversationId", params: { conversationId } }) : redirect({ to: "/chat" });
  },
});

// The chat is one page at two addresses, so it stays mounted when a new conversation gets its own address.
const chat = createRoute({
  getParentRoute: under,
  path: "/chat",
  component: lazyRouteComponent(() => import("../pages/chat/ChatPage")),
});
const conversation = createRoute({ getParentRoute: () => chat, path: "/$conversationId" });

const live = createRoute({
  getParentRoute: under,
  path: "/live",
  component: lazyRouteComponent(() => import("../pages/live/LivePage")),
});
const runs = createRoute({
  getParentRoute: under,
  path: "/runs",
  component: lazyRouteComponent(() => import("../pages/runs/RunsPage")),
});
const run = createRoute({
  getParentRoute: under,
  path: "/runs/$runId",
  component: lazyRouteComponent(() => import("../pages/runs/RunPage")),
});
const agents = createRoute({
  getParentRoute: under,
  path: "/agents",
  component: lazyRouteComponent(() => import("../pages/agents/AgentsPage")),
});
const agent = createRoute({
  getParentRoute: under,
  path: "/agents/$agentId",
  component: lazyRouteComponent(() => import("../pages/agents/AgentPage")),
});
const flows = createRoute({
  getParentRoute: under,
  path: "/flows",
  component: lazyRouteComponent(() => import("../pages/flows/FlowsPage")),
});
const flow = createRoute({
  getParentRoute: under,
  path: "/flows/$name",
  component: lazyRouteComponent(() => import("../pages/flows/FlowPage")),
});
const pipelines = createRoute({
  getParentRoute: under,
  path: "/pipelines",
  component: lazyRouteComponent(() => import("../pages/pipelines/PipelinesPage")),
});
const pipeline = createRoute({
  getParentRoute: under,
  path: "/pipelines/$pipelineId",
  component: lazyRouteComponent(() => import("../pages/pipelines/PipelinePage")),
});
const alerts = createRoute({
  getParentRoute: under,
  path: "/alerts",
  component: lazyRouteComponent(() => import("../pages/alerts/AlertsPage")),
});

const settings = createRoute({
  getParentRoute: under,
  path: "/settings",
  component: lazyRouteComponent(() => import("../pages/settings/SettingsPage")),
});

const tree = root.addChildren([
  home,
  chat.addChildren([conversation]),
  live,
  runs,
  run,
  agents,
  agent,
  flows,
  flow,
  pipelines,
  pipeline,
  alerts,
  settings,
]);

/** Pages by address. Each is loaded on the first visit, or when the pointer rests on its link. */
export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultErrorComponent: BrokenPage,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
