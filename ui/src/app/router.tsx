import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { sessionQuery, templatesQuery, workspacesQuery } from "../api/queries";
import { type Span, SPANS } from "../api/types";
import { AppShell } from "./AppShell";
import { LoadFailed, NotFound, ViewNotFound } from "./ErrorViews";
import { type FilesSearch, filesSearchOf } from "../features/files/address";
import { type OpenSearch, openSearchOf } from "../features/ports/search";
import { lazily } from "../shared/lazily";
import { type ListSearch, searchOf } from "../features/workspaces/list/filter/address";
import { ListTitle } from "../features/workspaces/list/ListTitle";
import { WorkspaceDetailView } from "../features/workspaces/detail/WorkspaceDetailView";
import { WorkspacesView } from "../features/workspaces/WorkspacesView";

interface Context {
  client: QueryClient;
}

const rootRoute = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: NotFound });

const waysIn = () => import("./SignInView");

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { from?: string; reason?: "expired" } => ({
    // Only an address of this UI is gone back to.
    ...(typeof search.from === "string" && /^\/(?![/\\])/.test(search.from) && { from: search.from }),
    ...(search.reason === "expired" && { reason: "expired" as const }),
  }),
  component: lazily(async () => (await waysIn()).SignInView),
});

const joinRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/join",
  component: lazily(async () => (await waysIn()).JoinView),
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

const templatesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/templates",
  component: lazily(async () => (await import("../features/templates/TemplatesView")).TemplatesView),
});

const profileRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/profile",
  component: lazily(async () => (await import("../features/secrets/ProfileView")).ProfileView),
});

const usageRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/usage",
  component: lazily(async () => (await import("../features/usage/UsageView")).UsageView),
});

const adminRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin/health",
  component: lazily(async () => (await import("../features/admin/AdminView")).AdminView),
});

/** The first of the administrator's pages. */
const adminsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin",
  beforeLoad: () => redirect({ to: "/admin/health", throw: true }),
});

const peopleRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin/users",
  component: lazily(async () => (await import("../features/people/PeopleView")).PeopleView),
});

const auditRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin/audit",
  component: lazily(async () => (await import("../features/admin/AuditView")).AuditView),
});

const meRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/me",
  component: lazily(async () => (await import("../features/people/MeView")).MeView),
});

const deviceRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/device",
  validateSearch: ({ code }: Record<string, unknown>): { code?: string } =>
    typeof code === "string" ? { code } : {},
  component: lazily(async () => (await import("../features/people/DeviceView")).DeviceView),
});

const previewsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/previews",
  validateSearch: (search: Record<string, unknown>): OpenSearch => openSearchOf(search),
  component: lazily(async () => (await import("../features/ports/OpenPreview")).OpenPreview),
});

const sshKeysRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/ssh-keys",
  component: lazily(async () => (await import("../features/ssh-keys/SshKeysView")).SshKeysView),
});

/** An address that leads nowhere: the bar stays, and with it every way on. */
const elsewhereRoute = createRoute({ getParentRoute: () => appRoute, path: "$", component: ViewNotFound });

const workspacesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/workspaces",
  validateSearch: (search: Record<string, unknown>): ListSearch => searchOf(search),
  loader: ({ context }) => {
    void context.client.prefetchQuery(templatesQuery);
  },
  component: WorkspacesView,
  notFoundComponent: ViewNotFound,
});

const chooseRoute = createRoute({ getParentRoute: () => workspacesRoute, path: "/", component: ListTitle });

const workspaceRoute = createRoute({
  getParentRoute: () => workspacesRoute,
  path: "$workspaceId",
  component: WorkspaceDetailView,
  notFoundComponent: ViewNotFound,
});

const overviewRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "/",
  component: lazily(
    async () => (await import("../features/workspaces/detail/overview/OverviewTab")).OverviewTab,
  ),
});

const terminalRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "terminal",
  validateSearch: (search: Record<string, unknown>): { t?: string } =>
    typeof search.t === "string" || typeof search.t === "number" ? { t: String(search.t) } : {},
  component: lazily(async () => (await import("../features/terminal/TerminalTab")).TerminalTab),
});

const recordingsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "recordings",
  component: lazily(async () => (await import("../features/recordings/RecordingsView")).RecordingsView),
});

const filesRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "files",
  validateSearch: (search: Record<string, unknown>): FilesSearch => filesSearchOf(search),
  component: lazily(async () => (await import("../features/files/FilesTab")).FilesTab),
});

const portsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "ports",
  component: lazily(async () => (await import("../features/ports/PortsTab")).PortsTab),
});

const packagesRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "packages",
  component: lazily(async () => (await import("../features/workspaces/detail/PackagesTab")).PackagesTab),
});

const networkRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "network",
  component: lazily(async () => (await import("../features/network/NetworkTab")).NetworkTab),
});

const metricsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "metrics",
  validateSearch: (search: Record<string, unknown>): { span?: Span } =>
    SPANS.includes(search.span as Span) ? { span: search.span as Span } : {},
  component: lazily(
    async () => (await import("../features/workspaces/detail/metrics/MetricsTab")).MetricsTab,
  ),
});

const secretsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "secrets",
  component: lazily(async () => (await import("../features/secrets/SecretsTab")).SecretsTab),
});

const logsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "logs",
  component: lazily(async () => (await import("../features/workspaces/detail/logs/LogsTab")).LogsTab),
});

const settingsRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "settings",
  component: lazily(async () => (await import("../features/workspaces/detail/SettingsTab")).SettingsTab),
});

/** Every component in every state; no part of what is shipped. */
const developmentRoutes = import.meta.env.DEV
  ? [
      createRoute({
        getParentRoute: () => rootRoute,
        path: "/gallery",
        component: lazily(async () => (await import("./gallery/Gallery")).Gallery),
      }),
    ]
  : [];

/** A part that there is not: the workspace stays around it. */
const noPartRoute = createRoute({
  getParentRoute: () => workspaceRoute,
  path: "$",
  component: ViewNotFound,
});

const routeTree = rootRoute.addChildren([
  ...developmentRoutes,
  signInRoute,
  joinRoute,
  appRoute.addChildren([
    indexRoute,
    templatesRoute,
    usageRoute,
    adminRoute,
    adminsRoute,
    peopleRoute,
    meRoute,
    deviceRoute,
    auditRoute,
    previewsRoute,
    profileRoute,
    sshKeysRoute,
    elsewhereRoute,
    workspacesRoute.addChildren([
      chooseRoute,
      workspaceRoute.addChildren([
        overviewRoute,
        terminalRoute,
        recordingsRoute,
        filesRoute,
        portsRoute,
        packagesRoute,
        networkRoute,
        metricsRoute,
        logsRoute,
        secretsRoute,
        settingsRoute,
        noPartRoute,
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
