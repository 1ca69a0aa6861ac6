import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams } from "@tanstack/react-router";
import { DetailContext } from "../../../api/detail";
import { ApiError } from "../../../api/client";
import { reasonOf } from "../../../api/mutations";
import { workspaceQuery } from "../../../api/queries";
import { useT } from "../../../shared/i18n/messages";
import { WorkspaceHead } from "./WorkspaceHead";

/** One workspace: its name, state and verbs, and the part of it that the address names. */
export function WorkspaceDetailView() {
  const t = useT();
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  const { data, error, isPending, refetch } = useQuery(workspaceQuery(workspaceId));
  if (data) {
    return (
      <DetailContext value={data}>
        <WorkspaceHead detail={data} />
        <div className="detail-body">
          <Outlet />
        </div>
      </DetailContext>
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
