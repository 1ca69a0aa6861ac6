import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { type ReactNode, StrictMode, useMemo } from "react";
import { WordsContext } from "../ui/words";
import { createRoot } from "react-dom/client";
import { ApiError, onSignedOut } from "../api/client";
import { sessionQuery } from "../api/queries";
import { followLocale, useT } from "../shared/i18n/messages";
import { makeRouter } from "./router";
import { preloadChunks } from "../shared/Chunk";
import { followFocus } from "../ui/focus";
import { guardLeaving } from "../shared/openWork";
import { nameThisPage } from "../shared/page";
import { followTheme } from "../shared/theme";
import "../ui/theme.css";
import "../ui/fonts.css";
import "../ui/base.css";
import "./shell.css";
import "../features/workspaces/workspaces.css";
import "../features/workspaces/list/list.css";
import "../features/workspaces/detail/detail.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // Whether there is a network says nothing about the service: it may be on this machine.
      networkMode: "always",
      staleTime: 30_000,
      retry: (count, failure) => failure instanceof ApiError && failure.isOffline && count < 2,
    },
    mutations: { networkMode: "always" },
  },
});
const router = makeRouter(client);

/** Gives the primitives their words in the language in force. */
function Speaking({ children }: { children: ReactNode }) {
  const t = useT();
  const words = useMemo(() => ({ close: t("app.close"), cancel: t("app.cancel") }), [t]);
  return <WordsContext value={words}>{children}</WordsContext>;
}

onSignedOut(() => {
  client.setQueryData(sessionQuery.queryKey, null);
  const { pathname, href } = router.state.location;
  // Whoever comes by a link need not be signed in.
  if (pathname !== "/sign-in" && pathname !== "/join")
    void router.navigate({ to: "/sign-in", search: { from: href } });
});

followTheme();
guardLeaving();
followFocus();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element with the id root");
// The first view is drawn once, with what it shows: the list is asked for while the language comes.
await Promise.all([followLocale(), nameThisPage(), router.load()]);
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Speaking>
        <RouterProvider router={router} />
      </Speaking>
    </QueryClientProvider>
  </StrictMode>,
);

void preloadChunks();
