import type { Session } from "../src/api/types";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  Outlet,
  RouterProvider,
} from "@tanstack/react-router";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { sessionQuery } from "../src/api/queries";
import { searchOf } from "../src/features/workspaces/list/filter/address";

/** Every element has this size: jsdom lays nothing out, and a list shows what fits. */
const SIZE = { offsetHeight: 720, offsetWidth: 1400, clientHeight: 720, clientWidth: 1400 };

/** Shows something as a page at an address of the list, with a service that answers from a table. */
export async function page(
  shown: () => ReactNode,
  address = "/workspaces",
  answers: Record<string, unknown> = {},
  session: Session = { name: "ann", role: "admin" },
) {
  for (const [name, value] of Object.entries(SIZE)) {
    Object.defineProperty(HTMLElement.prototype, name, { configurable: true, value });
  }
  HTMLElement.prototype.scrollTo = () => undefined;
  Element.prototype.scrollIntoView = () => undefined;
  const asked: { method: string; path: string; body: unknown }[] = [];
  vi.stubGlobal("fetch", (path: string, init: RequestInit = {}) => {
    asked.push({
      method: init.method ?? "GET",
      path,
      body: typeof init.body === "string" ? JSON.parse(init.body) : null,
    });
    const found = Object.entries(answers).find(([stem]) => path.startsWith(stem));
    return Promise.resolve(
      found
        ? Response.json(found[1])
        : Response.json(
            { error: { code: "none", message: `nothing at ${path}`, field: null, request_id: "r" } },
            { status: 404 },
          ),
    );
  });
  const root = createRootRoute({ component: Outlet });
  const list = createRoute({
    getParentRoute: () => root,
    path: "/workspaces",
    validateSearch: (search: Record<string, unknown>) => searchOf(search),
    component: () => (
      <main id="content">
        {shown()}
        <Outlet />
      </main>
    ),
  });
  const one = createRoute({ getParentRoute: () => list, path: "$workspaceId", component: () => null });
  const router = createRouter({
    routeTree: root.addChildren([list.addChildren([one])]),
    history: createMemoryHistory({ initialEntries: [address] }),
  });
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  client.setQueryData(sessionQuery.queryKey, session);
  await router.load();
  const view = render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  );
  return { ...view, asked, router };
}
