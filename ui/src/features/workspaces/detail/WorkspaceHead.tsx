import { Link, useLocation, useNavigate, useParams } from "@tanstack/react-router";
import { ArrowLeft, PanelLeftClose, PanelLeftOpen, SquareTerminal } from "lucide-react";
import { useEffect, useRef } from "react";
import { LOOKING, useAbilities, useSession } from "../../../api/abilities";
import { useVerb } from "../../../api/mutations";
import type { WorkspaceDetail, WorkspaceVerb } from "../../../api/types";
import { useNow } from "../../../shared/clock";
import { age } from "../../../shared/format";
import { useT } from "../../../shared/i18n/messages";
import { lazily } from "../../../shared/lazily";
import { useStore } from "../../../shared/Store";
import { tell } from "../../../shared/toasts";
import { useTitle } from "../../../shared/useTitle";
import { Button, buttonClass } from "../../../ui/Button";
import { IconButton } from "../../../ui/IconButton";
import { LazyDeleteDialog } from "../LazyDeleteDialog";
import { useDeleteDialog } from "../useDeleteDialog";
import { StatusWord } from "../StatusWord";
import { listHidden } from "../WorkspacesView";
import { VERB_ICONS } from "./verbIcons";

const HeadMenus = lazily(async () => (await import("./HeadMenus")).default, {
  kind: "part",
  fallback: () => <span className="icon-button" />,
});

const TABS = [
  "overview",
  "terminal",
  "files",
  "ports",
  "packages",
  "network",
  "metrics",
  "logs",
  "secrets",
  "settings",
] as const;
type Tab = (typeof TABS)[number];
const PART: readonly Tab[] = [
  "files",
  "ports",
  "packages",
  "network",
  "metrics",
  "logs",
  "secrets",
  "settings",
];
/** What the service refuses those whom a workspace, or a part of it, is shared with. */
const REFUSED: Partial<Record<string, readonly Tab[]>> = {
  editor: ["secrets"],
  reader: ["secrets", "settings"],
  viewer: ["files", "secrets", "settings"],
  typist: PART,
  watcher: PART,
  visitor: ["terminal", ...PART],
};
/** Content is not for who reads usage and the audit log. */
const AUDITED: readonly Tab[] = ["overview", "metrics"];

/** The parts of a workspace's page that somebody may read. */
export function tabsFor(relation: string | undefined, role: string | undefined): readonly Tab[] {
  const refused = REFUSED[relation ?? ""];
  if (refused) return TABS.filter((tab) => !refused.includes(tab));
  return role === "auditor" && relation !== "owner" ? AUDITED : TABS;
}

/** What has a button of its own: the way on from where it is, and the way to rest. */
const BUTTONS = ["start", "resume", "stop"] as const;

/** The head of a workspace's page: what it is called and how it is, one loud thing to do, and its parts. */
export function WorkspaceHead({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const hidden = useStore(listHidden);
  useTitle(detail.name);
  return (
    <header className="detail-head">
      {/* The list's heading is not there where the list is not. */}
      <h1 className={hidden ? "visually-hidden" : "visually-hidden narrow-only"}>{t("list.title")}</h1>
      <div className="detail-title">
        <Link to="/workspaces" search={true} className="icon-button narrow-only" aria-label={t("list.back")}>
          <ArrowLeft aria-hidden size={18} />
        </Link>
        <IconButton
          className="wide-only"
          icon={hidden ? PanelLeftOpen : PanelLeftClose}
          size={18}
          label={t(hidden ? "list.show" : "list.hide")}
          onClick={() => listHidden.set(!hidden)}
        />
        <h2 title={detail.name}>{detail.name}</h2>
        <StatusWord status={detail.status} />
        <Facts detail={detail} />
        <Verbs detail={detail} />
      </div>
      <Tabs detail={detail} />
    </header>
  );
}

/** How long it has run, and what it is made from. */
function Facts({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const now = useNow();
  const { status, started_at, config } = detail;
  const ran =
    status === "running" && started_at ? age(Math.max(0, now - Date.parse(started_at)), t.locale) : "";
  return <span className="muted detail-sub">{[ran, config.template].filter(Boolean).join(" · ")}</span>;
}

function Verbs({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const navigate = useNavigate();
  const verb = useVerb();
  // The address may hold a name in the id's place; links keep what it holds.
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  const params = { workspaceId };
  const why = useAbilities();
  const perform = (one: Exclude<WorkspaceVerb, "delete">) => verb.mutate({ verb: one, workspace: detail });
  const deleting = useDeleteDialog();
  const isRunning = detail.status === "running";
  return (
    <div className="detail-verbs">
      {isRunning && !LOOKING.has(detail.relation) && (
        <Link
          to="/workspaces/$workspaceId/terminal"
          params={params}
          search={true}
          className={`${buttonClass("primary")} split-start`}
        >
          <SquareTerminal aria-hidden size={16} />
          {t("detail.openTerminal")}
        </Link>
      )}
      <HeadMenus
        detail={detail}
        onVerb={perform}
        onGo={(view) => void navigate({ to: `/workspaces/$workspaceId/${view}`, params, search: true })}
        onDelete={() => deleting.ask([detail])}
      />
      {BUTTONS.filter((one) => !why(detail, one)).map((one) => (
        <Button
          key={one}
          kind={one === "stop" ? "plain" : "primary"}
          icon={VERB_ICONS[one]}
          onClick={() => perform(one)}
        >
          {t(`action.${one}`)}
        </Button>
      ))}
      <LazyDeleteDialog
        workspaces={deleting.asked}
        onClose={deleting.close}
        onDeleted={() => {
          tell("success", t("detail.deleting", { name: detail.name }));
          void navigate({ to: "/workspaces", search: true });
        }}
      />
    </div>
  );
}

function Tabs({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const session = useSession();
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  const tabs = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  // On a narrow screen the tabs scroll: the chosen one is to be in sight.
  useEffect(() => {
    tabs.current
      ?.querySelector("[aria-current=page]")
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [pathname]);
  return (
    <nav ref={tabs} className="detail-tabs" aria-label={t("detail.tabs")}>
      {tabsFor(detail.relation, session?.role).map((tab) => (
        <Link
          key={tab}
          to={tab === "overview" ? "/workspaces/$workspaceId" : `/workspaces/$workspaceId/${tab}`}
          params={{ workspaceId }}
          search={({ q, sort, view }) => ({ q, sort, view })}
          activeOptions={{ exact: true, includeSearch: false }}
          className="detail-tab"
        >
          {t(`detail.${tab}`)}
        </Link>
      ))}
    </nav>
  );
}
