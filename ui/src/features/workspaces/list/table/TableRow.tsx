import { memo, type MouseEvent } from "react";
import { useT } from "../../../../shared/i18n/messages";
import { useNow } from "../../../../shared/clock";
import { dateTime, gigabytes, shortAgo } from "../../../../shared/format";
import { MiddleText } from "../../../../ui/MiddleText";
import type { Workspace, WorkspaceAction } from "../../../../api/types";
import { MoreButton } from "../MoreButton";
import { OpenTags } from "../OpenTags";
import { primaryOf } from "../primary";
import { StatusNote } from "../StatusNote";
import { StatusWord } from "../../StatusWord";
import { UseBar } from "../UseBar";
import { useListUsage, useRowWatch } from "../usage";
import type { Column } from "./columns";

export interface TableRowProps {
  workspace: Workspace;
  index: number;
  columns: readonly Column[];
  hasAction: boolean;
  /** The one row that the Tab key leads to, with all that can be pressed in it. */
  isActive: boolean;
  isSelected: boolean;
  onToggle: (id: string, isRange: boolean) => void;
  onSelect: (workspace: Workspace) => void;
  onAction: (action: WorkspaceAction, workspace: Workspace) => void;
}

/** One workspace in the table. */
export const TableRow = memo(function TableRow(props: TableRowProps) {
  const { workspace, index, columns, hasAction, isActive, isSelected, onToggle, onSelect, onAction } = props;
  const t = useT();
  const { name, status } = workspace;
  useRowWatch(workspace);
  const tabIndex = isActive ? 0 : -1;
  const primary = primaryOf(status);
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onSelect(workspace);
  };
  return (
    <div
      className="table-row"
      role="row"
      tabIndex={tabIndex}
      aria-label={name}
      // The first row is the heads'.
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      data-id={workspace.id}
    >
      <div role="gridcell" className="cell-check">
        <label className="row-check">
          <input
            type="checkbox"
            tabIndex={tabIndex}
            checked={isSelected}
            aria-label={t("list.select", { name })}
            onChange={(event) => onToggle(workspace.id, (event.nativeEvent as PointerEvent).shiftKey)}
          />
        </label>
      </div>
      <div role="gridcell" className="cell-two">
        <a
          className="workspace-item-name"
          tabIndex={tabIndex}
          href={`/workspaces/${workspace.id}`}
          onClick={follow}
        >
          <MiddleText text={name} />
        </a>
        <span className="cell-note">
          {workspace.template} · {workspace.owner}
        </span>
      </div>
      <div role="gridcell" className="cell-two">
        <StatusWord status={status} />
        <StatusNote workspace={workspace} />
      </div>
      {columns.map((column) => (
        <div key={column} role="gridcell" className={`cell cell-${column}`}>
          {cellOf(column, workspace)}
        </div>
      ))}
      {hasAction && (
        <div role="gridcell" className="cell-action">
          {primary && (
            <button
              type="button"
              className="button button-quiet button-small"
              tabIndex={tabIndex}
              aria-label={t("action.of", { action: t(primary.label), name })}
              onClick={() => (primary.action ? onAction(primary.action, workspace) : onSelect(workspace))}
            >
              {t(primary.label)}
            </button>
          )}
        </div>
      )}
      <div role="gridcell" className="cell-menu">
        <MoreButton workspace={workspace} tabIndex={tabIndex} onAction={onAction} />
      </div>
    </div>
  );
});

function cellOf(column: Column, workspace: Workspace) {
  switch (column) {
    case "open":
      return <OpenTags workspace={workspace} />;
    case "cpu":
    case "memory":
    case "storage":
      return <UseCell column={column} workspace={workspace} />;
    case "size":
      return <SizeCell workspace={workspace} />;
    case "used":
      return <Ago iso={workspace.last_accessed} />;
    case "created":
      return <Ago iso={workspace.created_at} />;
  }
}

function Ago({ iso }: { iso: string }) {
  const t = useT();
  const now = useNow();
  return (
    <time className="cell-note" dateTime={iso} title={dateTime(iso, t.locale)}>
      {shortAgo(iso, now, t.locale)}
    </time>
  );
}

function SizeCell({ workspace: { cpu, memory } }: { workspace: Workspace }) {
  const t = useT();
  return (
    <span className="cell-note">
      {t.count("meter.cores", cpu)} · {gigabytes(memory, t.locale)}
    </span>
  );
}

function UseCell({ column, workspace }: { column: "cpu" | "memory" | "storage"; workspace: Workspace }) {
  const usage = useListUsage(workspace);
  return <UseBar kind={column} usage={usage} workspace={workspace} />;
}
