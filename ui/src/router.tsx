import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { sessionQuery, templatesQuery, workspacesQuery } from "./api/queries";
import { type Span, SPANS } from "./api/types";
import { AppShell } from "./shared/AppShell";
import { LoadFailed, NotFound } from "./shared/ErrorViews";
import { SignInView } from "./shared/SignInView";
import { ChooseHint } from "./workspaces/ChooseHint";
import { type ListSearch, searchOf } from "./workspaces/filter";
import { WorkspaceDetailView } from "./workspaces/WorkspaceDetailView";
import { WorkspacesView } from "./workspaces/WorkspacesView";

interface Context {
  client: QueryClient;
}

const rootRoute = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: NotFound });

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { from?: string; reason?: "expired" } => ({
    // Only an address of this UI is gone back to.
    ...(typeof search.from === "string" && /^\/(?![/\\])/.test(search.from) && { from: search.from }),
    ...(search.reason === "expired" && { reason: "expired" as const }),
  }),
  component: SignInView,
});

const appRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "app",
  beforeLoad: async ({ context, location }) => {
    // Asked for beside the session, not after it: whoever is signed out gets 401 for both.
    void context.client.prefetchQuery(workspacesQuery);
    const session = await context.client.ensureQueryData(sessionQuery);
    if (!session) throw redirect({ to: "/sign-in", search: { from: location.href } });
  },
  component: AppShell,
});

const indexRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/workspaces", replace: true });
  },
});

const workspacesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/workspaces",
  validateSearch: (search: Record<string, unknown>): ListSearch => searchOf(search),
  loader: ({ context }) => {
    void context.client.prefetchQuery(templatesQuery);
  },
  component: WorkspacesView,
});

const chooseRoute = createRoute({ getParentRoute: () => workspacesRoute, path: "/", component: ChooseHint });

const workspaceRoute = createRoute({
  getParentRoute: () => workspacesRoute,
  path: "$workspaceId",
  component: WorkspaceDetailView,
});

const overviewRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./workspaces/OverviewTab"), "OverviewTab"),
});

const terminalRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "terminal",
  validateSearch: (search: Record<string, unknown>): { t?: string } =>
    typeof search.t === "string" || typeof search.t === "number" ? { t: String(search.t) } : {},
  component: lazyRouteComponent(() => import("./terminal/TerminalTab"), "TerminalTab"),
});

const filesRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "files",
  validateSearch: (search: Record<string, unknown>): { path?: string; file?: string } => ({
    ...(typeof search.path === "string" && { path: search.path }),
    ...(typeof search.file === "string" && { file: search.file }),
  }),
  component: lazyRouteComponent(() => import("./files/FilesTab"), "FilesTab"),
});

const packagesRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "packages",
  component: lazyRouteComponent(() => import("./workspaces/PackagesTab"), "PackagesTab"),
});

const metricsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "metrics",
  validateSearch: (search: Record<string, unknown>): { span?: Span } =>
    SPANS.includes(search.span as Span) ? { span: search.span as Span } : {},
  component: lazyRouteComponent(() => import("./workspaces/MetricsTab"), "MetricsTab"),
});

const logsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "logs",
  component: lazyRouteComponent(() => import("./workspaces/LogsTab"), "LogsTab"),
});

const settingsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "settings",
  component: lazyRouteComponent(() => import("./workspaces/SettingsTab"), "SettingsTab"),
});

const routeTree = rootRoute.addChildren([
  signInRoute,
  appRoute.addChildren([
    indexRoute,
    workspacesRoute.addChildren([
      chooseRoute,
      workspaceRoute.addChildren([
        overviewRoute,
        terminalRoute,
        filesRoute,
        packagesRoute,
        metricsRoute,
        logsRoute,
        settingsRoute,
      ]),
    ]),
  ]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree,
    context: { client },
    defaultErrorComponent: LoadFailed,
    defaultNotFoundComponent: NotFound,
    defaultPreload: "intent",
    defaultPreloadStaleTime: 0,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
