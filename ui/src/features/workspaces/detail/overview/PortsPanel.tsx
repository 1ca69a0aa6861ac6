import { Link, useParams } from "@tanstack/react-router";
import { ExternalLink } from "lucide-react";
import { isPage, openPath, usePorts } from "../../../../api/ports";
import type { WorkspaceDetail } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";

/** The pages that a workspace's programs serve now. */
export function PortsPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  const pages = usePorts(detail.id, true)?.filter(isPage);
  return (
    <section className="panel">
      <h3>{t("ports.pages")}</h3>
      {pages && pages.length > 0 ? (
        <ul className="port-list">
          {pages.map(({ port, program, url }) => (
            <li key={port}>
              <a href={openPath(url ?? "")} target="_blank" rel="noreferrer">
                <ExternalLink aria-hidden size={14} /> {t("ports.open", { port })}
              </a>{" "}
              <span className="muted">{program}</span>
            </li>
          ))}
        </ul>
      ) : (
        <p className="muted">{t("ports.none")}</p>
      )}
      <div className="form-actions">
        <Link
          to="/workspaces/$workspaceId/ports"
          params={{ workspaceId }}
          search={true}
          className="button button-small"
        >
          {t("ports.all")}
        </Link>
      </div>
    </section>
  );
}
