import { Link, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { reasonOf } from "../../api/mutations";
import { readPort, ticketFor } from "../../api/ports";
import { useT } from "../../shared/i18n/messages";
import type { OpenSearch } from "./search";

async function addressOf({ to, workspace, port, path }: OpenSearch): Promise<string> {
  if (to !== undefined) return ticketFor(to);
  const { url } = await readPort(workspace ?? "", port ?? 0);
  return ticketFor(new URL(path?.replace(/^\/+/, "") ?? "", url ?? "").toString());
}

/** Leads on to a preview with a ticket for it: nobody has to sign in there. */
export function OpenPreview() {
  const t = useT();
  const wanted: OpenSearch = useSearch({ from: "/app/previews" });
  const [reason, setReason] = useState("");
  const { to, workspace, port, path } = wanted;
  useEffect(() => {
    let isShown = true;
    addressOf({
      ...(to !== undefined && { to }),
      ...(workspace !== undefined && { workspace }),
      ...(port !== undefined && { port }),
      ...(path !== undefined && { path }),
    }).then(
      (url) => isShown && location.replace(url),
      (failure: unknown) => isShown && setReason(reasonOf(failure)),
    );
    return () => {
      isShown = false;
    };
  }, [to, workspace, port, path]);
  return (
    <main id="content" className="placeholder" role="status">
      <p>{reason || t("ports.opening")}</p>
      {reason && (
        <Link to="/workspaces" search={true} className="button">
          {t("app.toList")}
        </Link>
      )}
    </main>
  );
}
