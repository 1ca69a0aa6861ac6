import { Ellipsis, Folder, Pause, Play, RotateCw, Square, SquareTerminal, X } from "lucide-react";
import { lazy, Suspense, useState, type MouseEvent, type ReactNode } from "react";
import { type Metrics, type Status, type Workspace, type WorkspaceAction, VERBS } from "../api/types";
import { useT } from "../i18n/messages";
import { useNow } from "../shared/clock";
import { gigabytes, relativeTime } from "../shared/format";
import { type Sample, useFigures, useLastFigures, useSettled } from "./figures";
import { Meter } from "./Meter";
import { ProgressLine } from "./ProgressLine";
import { Sparkline } from "./Sparkline";
import { usePassing } from "./scrolling";
import { StatusWord } from "./StatusWord";

const MoreActions = lazy(() => import("./MoreActions"));

const FIGURES_MS = 5_000;

export interface WorkspaceItemProps {
  workspace: Workspace;
  onSelect: (workspace: Workspace) => void;
  onAction: (action: WorkspaceAction) => void;
}

/** One workspace as a card: how it does, what it uses, and what is done with it most. */
export function WorkspaceItem({ workspace, onSelect, onAction }: WorkspaceItemProps) {
  const t = useT();
  const now = useNow();
  const isPassing = usePassing();
  const { name, status } = workspace;
  const verbs = VERBS[status];
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onSelect(workspace);
  };
  const quick = (action: WorkspaceAction, icon: ReactNode, isEnabled = true) => (
    <button
      type="button"
      className="quick-action"
      disabled={!isEnabled}
      aria-label={t("action.of", { action: t(`action.${action}`), name })}
      title={t(`action.${action}`)}
      onClick={() => onAction(action)}
    >
      {icon}
    </button>
  );
  if (isPassing) {
    return (
      <article className="workspace-item workspace-item-passing" data-status={status} aria-label={name}>
        <span className="workspace-item-name">{name}</span>
      </article>
    );
  }
  return (
    <article className="workspace-item" aria-label={name}>
      <div className="workspace-item-head">
        <a className="workspace-item-name" href={`/workspaces/${workspace.id}`} onClick={follow}>
          {name}
        </a>
        <StatusWord status={status} />
      </div>
      <p className="workspace-item-about muted">
        {workspace.template} · {relativeTime(workspace.last_accessed, now, t.locale)}
      </p>
      {status === "running" && <Usage workspace={workspace} />}
      {workspace.progress && status !== "running" && status !== "deleting" && (
        <ProgressLine progress={workspace.progress} />
      )}
      {status === "error" && workspace.fault && (
        <p className="workspace-item-fault">{workspace.fault.message}</p>
      )}
      <div className="workspace-item-actions">
        {verbs.includes("start") && quick("start", <Play aria-hidden size={16} />)}
        {verbs.includes("resume") && quick("resume", <Play aria-hidden size={16} />)}
        {verbs.includes("stop") && quick("stop", <Square aria-hidden size={16} />)}
        {status === "creating" && quick("cancel", <X aria-hidden size={16} />)}
        {quick("terminal", <SquareTerminal aria-hidden size={16} />, status === "running")}
        {quick("files", <Folder aria-hidden size={16} />, status === "running")}
        <span className="workspace-item-size muted">
          {status !== "running" &&
            [
              t.count("meter.cores", workspace.cpu),
              gigabytes(workspace.memory, t.locale),
              gigabytes(workspace.storage, t.locale),
            ].join(" · ")}
        </span>
        <MoreButton name={name} status={status} onAction={onAction} />
      </div>
    </article>
  );
}

interface MoreButtonProps {
  name: string;
  status: Status;
  onAction: (action: WorkspaceAction) => void;
}

/** Stands for the menu until it is wanted: a list of a thousand needs no thousand menus. */
function MoreButton({ name, status, onAction }: MoreButtonProps) {
  const t = useT();
  const [isWanted, setIsWanted] = useState(false);
  const label = t("action.more", { name });
  const button = (
    <button
      type="button"
      className="quick-action"
      aria-label={label}
      aria-haspopup="menu"
      onClick={() => setIsWanted(true)}
    >
      <Ellipsis aria-hidden size={16} />
    </button>
  );
  if (!isWanted) return button;
  const verbs = VERBS[status];
  return (
    <Suspense fallback={button}>
      <MoreActions
        label={label}
        actions={[
          ...(verbs.includes("restart") ? [{ action: "restart" as const, icon: RotateCw }] : []),
          ...(verbs.includes("pause") ? [{ action: "pause" as const, icon: Pause }] : []),
        ]}
        isDeletable={verbs.includes("delete")}
        onAction={onAction}
      />
    </Suspense>
  );
}

/** Asks for figures once the row has stayed for a moment; what passes by shows what is known. */
function Usage({ workspace }: { workspace: Workspace }) {
  return useSettled() ? <LiveUsage workspace={workspace} /> : <LastUsage workspace={workspace} />;
}

function LiveUsage({ workspace }: { workspace: Workspace }) {
  const { now, past } = useFigures(workspace.id, workspace.status, FIGURES_MS);
  return <UsageMeters workspace={workspace} now={now} past={past} />;
}

function LastUsage({ workspace }: { workspace: Workspace }) {
  const past = useLastFigures(workspace.id);
  return <UsageMeters workspace={workspace} now={past.at(-1)?.metrics ?? null} past={past} />;
}

interface UsageMetersProps {
  workspace: Workspace;
  now: Metrics | null;
  past: readonly Sample[];
}

function UsageMeters({ workspace, now, past }: UsageMetersProps) {
  const t = useT();
  return (
    <div className="workspace-item-usage">
      <Meter
        label={t("meter.cpu")}
        value={now?.cpu_usage ?? null}
        limit={t.count("meter.cores", workspace.cpu)}
      />
      <Meter
        label={t("meter.memory")}
        value={now?.memory_usage ?? null}
        limit={gigabytes(workspace.memory, t.locale)}
      />
      <Meter
        label={t("meter.storage")}
        value={now?.storage_usage ?? null}
        limit={gigabytes(workspace.storage, t.locale)}
      />
      <Sparkline
        values={past.map((sample) => sample.metrics?.cpu_usage ?? null)}
        label={t("meter.history")}
      />
    </div>
  );
}
