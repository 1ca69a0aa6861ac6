import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { NeedsRunning } from "../../api/NeedsRunning";
import { useT } from "../../shared/i18n/messages";
import { lazily } from "../../shared/lazily";
import { useStore } from "../../shared/Store";
import { LOOKING } from "../../api/abilities";
import { useDetail } from "../../api/detail";
import { layoutQuery } from "../../api/layouts";
import { layoutKeeper } from "./layout/LayoutKeeper";

const WebTerminalComponent = lazily(
  async () => (await import("./WebTerminalComponent")).WebTerminalComponent,
);

/** A workspace's terminals; while it does not run, the way to make it. */
export function TerminalTab() {
  const t = useT();
  const detail = useDetail();
  const navigate = useNavigate();
  const { t: current } = useSearch({ strict: false });
  const keeper = layoutKeeper(detail.id);
  const { terminals } = useStore(keeper.layout);
  const stored = useQuery(layoutQuery(detail.id));
  useEffect(() => {
    if (stored.data) keeper.take(stored.data);
  }, [keeper, stored.data]);
  if (detail.status !== "running") {
    const before = Object.values(terminals).map(({ name, process }) => name || process);
    const status = t(`status.${detail.status}`);
    return (
      <NeedsRunning workspace={detail} title={t("terminal.stopped", { status })}>
        {before.length > 0 && detail.status !== "paused" && (
          <p className="muted">{t("terminal.endedWith", { names: before.join(", ") })}</p>
        )}
      </NeedsRunning>
    );
  }
  return (
    <WebTerminalComponent
      key={detail.id}
      workspaceId={detail.id}
      isLooking={LOOKING.has(detail.relation)}
      onClose={() =>
        void navigate({ to: "/workspaces/$workspaceId", params: { workspaceId: detail.id }, search: true })
      }
      current={current}
      onFile={(path, line) => {
        const file = path.split("/").map(encodeURIComponent).join("/");
        void navigate({
          to: "/workspaces/$workspaceId/files",
          params: { workspaceId: detail.id },
          search: (before: Record<string, unknown>) => ({
            ...before,
            path: file.slice(0, file.lastIndexOf("/")) || "/",
            file,
            line,
          }),
        });
      }}
      onCurrent={(id) =>
        void navigate({
          to: ".",
          replace: true,
          search: (before: Record<string, unknown>) => ({ ...before, t: id }),
        })
      }
    />
  );
}
