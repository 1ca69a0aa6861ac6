import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { Bell, Search } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { hasAccount, mayCreate, useSession } from "../api/abilities";
import type { Session } from "../api/types";
import { useT } from "../shared/i18n/messages";
import { lazily } from "../shared/lazily";
import { Logo } from "../ui/Logo";
import { IconButton } from "../ui/IconButton";
import { TooltipLayer } from "../ui/Tooltip";
import { modifier } from "../shared/modifier";
import { openWork } from "../shared/openWork";
import { ConnectionBanner } from "./ConnectionBanner";
import { resumeWork } from "./resumeWork";
import { useNewWorkspace } from "./useNewWorkspace";
import { useAnywhere, useShortcuts } from "../shared/shortcuts";
import { useStore } from "../shared/Store";
import { tasks } from "../api/tasks";
import { Toasts } from "./Toasts";
import type { WorkspaceEvent } from "../api/EventsSocket";
import { useEvents } from "../api/useEvents";

const CommandPalette = lazily(async () => (await import("./CommandPalette")).default, { kind: "dialog" });
const KeysSheet = lazily(async () => (await import("./KeysSheet")).default, { kind: "dialog" });
const TaskList = lazily(async () => (await import("./TaskList")).default, { kind: "dialog" });
const OffersBanner = lazily(async () => (await import("../features/sharing/OffersBanner")).OffersBanner, {
  kind: "part",
});
const UserMenu = lazily(async () => (await import("./UserMenu")).default, {
  kind: "part",
  fallback: () => <span className="avatar" />,
});

/** Where the words of the bar lead; later parts add theirs. */
const AREAS = [
  ["/workspaces", "nav.workspaces"],
  ["/templates", "nav.templates"],
  ["/usage", "nav.usage"],
  ["/admin", "nav.admin"],
] as const;

/** Whether an area is for somebody: one is for those who look after the service or its log. */
const isFor = (path: (typeof AREAS)[number][0], session: Session | null | undefined): boolean =>
  path === "/workspaces" ||
  (path === "/templates" || path === "/usage"
    ? hasAccount(session)
    : session?.role === "admin" || session?.role === "auditor");

type Panel = "none" | "palette" | "keys" | "tasks";

/** Tells of workspaces that rest soon, and of budgets; what says so is fetched when the first does. */
function warnOf(events: readonly WorkspaceEvent[]): void {
  if (events.length === 0) return;
  void import("../features/workspaces/detail/rest/warning").then(({ warn }) => warn(events));
}

/** What stands around every view: the bar, the panels that are a key away, the messages. */
export function AppShell() {
  const t = useT();
  const create = useNewWorkspace();
  const [panel, setPanel] = useState<Panel>("none");
  const running =
    useStore(tasks).filter((task) => task.state === "running").length + useStore(openWork).length;
  const session = useSession();
  useEvents(warnOf);
  const client = useQueryClient();
  useEffect(() => resumeWork(client), [client]);
  const togglePalette = () => setPanel(panel === "palette" ? "none" : "palette");
  useAnywhere("p", togglePalette);
  useShortcuts({
    "mod+k": togglePalette,
    "?": () => setPanel("keys"),
    ...(mayCreate(session) && { c: create }),
  });
  const close = () => setPanel("none");
  const nav = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  // On a narrow screen the areas scroll: the one that is shown is to be in sight.
  useEffect(() => {
    nav.current?.querySelector("[aria-current=page]")?.scrollIntoView({ inline: "nearest" });
  }, [pathname]);
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
        <nav ref={nav} className="app-nav" aria-label={t("nav.label")}>
          {AREAS.filter(([path]) => isFor(path, session)).map(([path, text]) => (
            <Link key={path} to={path} className="app-nav-link">
              {t(text)}
            </Link>
          ))}
        </nav>
        <div className="app-bar-tools">
          <button type="button" className="search-button" onClick={() => setPanel("palette")}>
            <Search aria-hidden size={16} />
            <span className="search-button-text">{t("nav.search")}</span>
            <kbd aria-hidden>{modifier(t)} K</kbd>
          </button>
          <IconButton icon={Bell} size={18} label={t("tasks.open")} onClick={() => setPanel("tasks")}>
            {running > 0 && (
              <span className="badge" role="img" aria-label={t.count("tasks.running", running)}>
                {running}
              </span>
            )}
          </IconButton>
          <UserMenu name={session?.name ?? ""} role={session?.role ?? ""} onKeys={() => setPanel("keys")} />
        </div>
      </header>
      <ConnectionBanner />
      <OffersBanner />
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      {panel === "palette" && <CommandPalette onClose={close} onHelp={() => setPanel("keys")} />}
      {panel === "keys" && <KeysSheet onClose={close} />}
      {panel === "tasks" && <TaskList onClose={close} />}
      <Toasts />
      <TooltipLayer />
    </div>
  );
}
