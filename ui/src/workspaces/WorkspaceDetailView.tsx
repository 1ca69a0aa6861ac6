import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate, useParams } from "@tanstack/react-router";
import { ArrowLeft, PanelLeftClose, PanelLeftOpen, Pause, Play, RotateCw, Square } from "lucide-react";
import { createContext, use, useEffect, useRef } from "react";
import { ApiError } from "../api/client";
import { reasonOf, useVerb } from "../api/mutations";
import { workspaceQuery } from "../api/queries";
import { type WorkspaceDetail, type WorkspaceVerb, VERBS } from "../api/types";
import { useT } from "../i18n/messages";
import { useStore } from "../shared/Store";
import { useTitle } from "../shared/useTitle";
import { StatusWord } from "./StatusWord";
import { listHidden } from "./WorkspacesView";

const Detail = createContext<WorkspaceDetail | null>(null);

/** The workspace whose view this is; only within `WorkspaceDetailView`. */
export function useDetail(): WorkspaceDetail {
  const detail = use(Detail);
  if (!detail) throw new Error("useDetail is called outside of a workspace's view");
  return detail;
}

const TABS = ["overview", "terminal", "files", "packages", "metrics", "logs", "settings"] as const;
const VERB_ICONS = { start: Play, resume: Play, stop: Square, restart: RotateCw, pause: Pause };

/** One workspace: its name, state and verbs, and the part of it that the address names. */
export function WorkspaceDetailView() {
  const t = useT();
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  const { data, error, isPending, refetch } = useQuery(workspaceQuery(workspaceId));
  if (data) {
    return (
      <Detail value={data}>
        <Head detail={data} />
        <div className="detail-body">
          <Outlet />
        </div>
      </Detail>
    );
  }
  if (isPending) return <p className="placeholder muted">{t("app.loading")}</p>;
  const isGone = error instanceof ApiError && error.status === 404;
  return (
    <div className="placeholder" role="alert">
      <p>
        <strong>{isGone ? t("detail.gone") : t("detail.failed")}</strong>
      </p>
      {!isGone && <p>{reasonOf(error)}</p>}
      {isGone ? (
        <Link to="/workspaces" search={true} className="button">
          {t("app.toList")}
        </Link>
      ) : (
        <button type="button" className="button" onClick={() => void refetch()}>
          {t("app.retry")}
        </button>
      )}
    </div>
  );
}

function Head({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const navigate = useNavigate();
  const verb = useVerb();
  const hidden = useStore(listHidden);
  // The address may hold a name in the id's place; links keep what it holds.
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  useTitle(detail.name);
  const tabs = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  // On a narrow screen the tabs scroll: the chosen one is to be in sight.
  useEffect(() => {
    tabs.current
      ?.querySelector("[aria-current=page]")
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [pathname]);
  const Panel = hidden ? PanelLeftOpen : PanelLeftClose;
  const verbs = VERBS[detail.status].filter(
    (one): one is Exclude<WorkspaceVerb, "delete"> => one !== "delete",
  );
  return (
    <header className="detail-head">
      <div className="detail-title">
        <Link to="/workspaces" search={true} className="icon-button narrow-only" aria-label={t("list.back")}>
          <ArrowLeft aria-hidden size={18} />
        </Link>
        <button
          type="button"
          className="icon-button wide-only"
          aria-label={t(hidden ? "list.show" : "list.hide")}
          title={t(hidden ? "list.show" : "list.hide")}
          onClick={() => listHidden.set(!hidden)}
        >
          <Panel aria-hidden size={18} />
        </button>
        <h2>{detail.name}</h2>
        <StatusWord status={detail.status} />
        <div className="detail-verbs">
          {verbs.map((one) => {
            const Icon = VERB_ICONS[one];
            return (
              <button
                key={one}
                type="button"
                className="button button-small"
                onClick={() => verb.mutate({ verb: one, workspace: detail })}
              >
                <Icon aria-hidden size={14} />
                {t(`action.${one}`)}
              </button>
            );
          })}
          <button
            type="button"
            className="button button-small"
            onClick={() =>
              void navigate({
                to: "/workspaces/$workspaceId/settings",
                params: { workspaceId: detail.id },
                search: true,
                hash: "delete",
              })
            }
          >
            {t("action.delete")}…
          </button>
        </div>
      </div>
      <nav ref={tabs} className="detail-tabs" aria-label={t("detail.tabs")}>
        {TABS.map((tab) => (
          <Link
            key={tab}
            to={tab === "overview" ? "/workspaces/$workspaceId" : `/workspaces/$workspaceId/${tab}`}
            params={{ workspaceId }}
            search={({ q, status, template, sort }) => ({ q, status, template, sort })}
            activeOptions={{ exact: true, includeSearch: false }}
            className="detail-tab"
          >
            {t(`detail.${tab}`)}
          </Link>
        ))}
      </nav>
    </header>
  );
}
