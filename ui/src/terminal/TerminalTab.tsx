import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useVerb } from "../api/mutations";
import { VERBS } from "../api/types";
import { useT } from "../i18n/messages";
import { useDetail } from "../workspaces/WorkspaceDetailView";

const WebTerminalComponent = lazy(async () => ({
  default: (await import("./WebTerminalComponent")).WebTerminalComponent,
}));

/** A workspace's terminals; while it does not run, the way to make it. */
export function TerminalTab() {
  const t = useT();
  const detail = useDetail();
  const navigate = useNavigate();
  const verb = useVerb();
  const { t: current } = useSearch({ strict: false });
  if (detail.status !== "running") {
    const wake = VERBS[detail.status].find((one) => one === "start" || one === "resume");
    return (
      <div className="placeholder">
        <p>{t("terminal.stopped", { status: t(`status.${detail.status}`) })}</p>
        {wake && (
          <button
            type="button"
            className="button button-primary"
            onClick={() => verb.mutate({ verb: wake, workspace: detail })}
          >
            {t(`action.${wake}`)}
          </button>
        )}
      </div>
    );
  }
  return (
    <Suspense fallback={<p className="placeholder muted">{t("app.loading")}</p>}>
      <WebTerminalComponent
        key={detail.id}
        workspaceId={detail.id}
        onClose={() =>
          void navigate({ to: "/workspaces/$workspaceId", params: { workspaceId: detail.id }, search: true })
        }
        current={current}
        onCurrent={(id) =>
          void navigate({
            to: ".",
            replace: true,
            search: (before: Record<string, unknown>) => ({ ...before, t: id }),
          })
        }
      />
    </Suspense>
  );
}
