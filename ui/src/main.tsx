import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, onSignedOut } from "./api/client";
import { sessionQuery } from "./api/queries";
import { followLocale } from "./i18n/messages";
import { makeRouter } from "./router";
import { followTheme } from "./shared/theme";
import "./theme.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/workspaces.css";
import "./styles/detail.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (count, failure) => failure instanceof ApiError && failure.isOffline && count < 2,
    },
  },
});
const router = makeRouter(client);

onSignedOut(() => {
  client.setQueryData(sessionQuery.queryKey, null);
  const { pathname, href } = router.state.location;
  if (pathname !== "/sign-in") void router.navigate({ to: "/sign-in", search: { from: href } });
});

followTheme();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element with the id root");
await followLocale();
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);

// The palette opens by a key, and the next keys are meant for it already: it is fetched before it is wanted.
setTimeout(() => {
  // Where the service is away just now, the palette is fetched when it is opened.
  import("./shared/CommandPalette").catch(() => undefined);
}, 1_500);
