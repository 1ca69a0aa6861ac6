import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { Command, Keyboard, ListChecks } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { sessionQuery } from "../api/queries";
import { useT } from "../i18n/messages";
import { Logo } from "./Logo";
import { modifier } from "./modifier";
import { useShortcuts } from "./shortcuts";
import { useStore } from "./Store";
import { tasks } from "./tasks";
import { Toasts } from "./Toasts";
import { eventsState, useEvents } from "./useEvents";

const CommandPalette = lazy(() => import("./CommandPalette"));
const KeysSheet = lazy(() => import("./KeysSheet"));
const TaskList = lazy(() => import("./TaskList"));
const UserMenu = lazy(() => import("./UserMenu"));

type Panel = "none" | "palette" | "keys" | "tasks";

/** What stands around every view: the bar, the panels that are a key away, the messages. */
export function AppShell() {
  const t = useT();
  const navigate = useNavigate();
  const [panel, setPanel] = useState<Panel>("none");
  const state = useStore(eventsState);
  const running = useStore(tasks).filter((task) => task.state === "running").length;
  const { data: session } = useQuery(sessionQuery);
  useEvents();
  useShortcuts({
    "mod+k": () => setPanel(panel === "palette" ? "none" : "palette"),
    "?": () => setPanel("keys"),
    c: () =>
      void navigate({
        to: ".",
        search: (before: Record<string, unknown>) => ({ ...before, new: true as const }),
      }),
  });
  const close = () => setPanel("none");
  return (
    <div className="app">
      <a className="skip-link" href="#content">
        {t("app.skip")}
      </a>
      <header className="app-bar">
        <Link to="/workspaces" className="brand">
          <Logo />
          <span className="brand-name">{t("app.name")}</span>
        </Link>
        <div className="app-bar-tools">
          <button type="button" className="bar-button palette-button" onClick={() => setPanel("palette")}>
            <Command aria-hidden size={16} />
            <span className="wide-only">{t("palette.open")}</span>
            <kbd className="wide-only">{modifier(t)} K</kbd>
            <span className="narrow-only visually-hidden">{t("palette.open")}</span>
          </button>
          <button type="button" className="bar-button" onClick={() => setPanel("tasks")}>
            <ListChecks aria-hidden size={16} />
            <span className="visually-hidden">{t("tasks.open")}</span>
            {running > 0 && (
              <span className="badge" aria-label={t.count("tasks.running", running)}>
                {running}
              </span>
            )}
          </button>
          <button type="button" className="bar-button wide-only" onClick={() => setPanel("keys")}>
            <Keyboard aria-hidden size={16} />
            <span className="visually-hidden">{t("help.title")}</span>
          </button>
          <Suspense fallback={<span className="bar-button" />}>
            <UserMenu name={session?.name ?? ""} />
          </Suspense>
        </div>
      </header>
      {state === "waiting" && (
        <p className="banner banner-warning" role="status">
          {t("app.offline")}
        </p>
      )}
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <Suspense>
        {panel === "palette" && <CommandPalette onClose={close} onHelp={() => setPanel("keys")} />}
        {panel === "keys" && <KeysSheet onClose={close} />}
        {panel === "tasks" && <TaskList onClose={close} />}
      </Suspense>
      <Toasts />
    </div>
  );
}
