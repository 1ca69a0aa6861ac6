import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, memo, useEffect, useRef, useState } from "react";
import type { Workspace, WorkspaceAction } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { remPx, useWidth } from "../../../../shared/useSize";
import type { RowsProps } from "../rows";
import { useRoving } from "../useRoving";
import { WorkspaceItem } from "./WorkspaceItem";

const GAP_REM = 0.5;
const LEAST_REM = 22;
const OVERSCAN = 4;

/** A card has two lines; where nothing can hover, a third one with what else would show then. */
const cardRem = (): number => (globalThis.matchMedia?.("(hover: none)").matches ? 7.5 : 5.375);

interface WorkspaceCardsProps extends RowsProps {
  /** The workspace beside which the cards stand, by id or name. */
  openId: string | undefined;
}

/** The workspaces as cards, as many beside each other as there is room for. */
export function WorkspaceCards({
  shown,
  selection,
  onSelect,
  onAction,
  onLeave,
  handle,
  openId,
}: WorkspaceCardsProps) {
  const t = useT();
  const scroller = useRef<HTMLDivElement>(null);
  const [rem] = useState(remPx);
  const [height] = useState(() => (cardRem() + GAP_REM) * rem);
  const width = useWidth(scroller);
  const columns = Math.max(1, Math.floor(width / rem / LEAST_REM));
  // oxlint-disable-next-line react/incompatible-library -- no compiler is used that would memoise around it
  const lines = useVirtualizer({
    count: Math.ceil(shown.length / columns),
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: OVERSCAN,
    initialRect: { width: 400, height: 700 },
  });
  const place = shown.findIndex((one) => one.id === openId || one.name === openId);
  const line = place < 0 ? -1 : Math.floor(place / columns);
  useEffect(() => {
    if (line < 0) return undefined;
    // Only then is it known how much is in sight.
    const frame = requestAnimationFrame(() => lines.scrollToIndex(line));
    return () => cancelAnimationFrame(frame);
  }, [lines, line]);
  const roving = useRoving({
    shown,
    openId,
    scroller,
    target: ".workspace-item-name",
    columns,
    page: columns * Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / height) - 1),
    scrollTo: (index) => lines.scrollToIndex(Math.floor(index / columns)),
    onSelect,
    onToggle: selection.toggle,
    onLeave,
    handle,
  });
  return (
    <div className="workspace-cards" ref={scroller} tabIndex={-1}>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- keys of the links in it */}
      <ul
        aria-label={t("list.title")}
        style={{ blockSize: lines.getTotalSize(), "--card": `${height - GAP_REM * rem}px` } as CSSProperties}
        onKeyDown={roving.onKeyDown}
      >
        {lines.getVirtualItems().flatMap((row) =>
          shown.slice(row.index * columns, (row.index + 1) * columns).map((workspace, at) => (
            <li
              key={workspace.id}
              data-id={workspace.id}
              aria-setsize={shown.length}
              aria-posinset={row.index * columns + at + 1}
              style={{
                transform: `translateY(${row.start}px)`,
                insetInlineStart: `calc((100% + ${GAP_REM}rem) / ${columns} * ${at})`,
                inlineSize: `calc((100% - ${GAP_REM * (columns - 1)}rem) / ${columns})`,
              }}
            >
              <Card
                workspace={workspace}
                isCurrent={workspace.id === openId || workspace.name === openId}
                isSelected={selection.ids.has(workspace.id)}
                onToggle={selection.toggle}
                onSelect={onSelect}
                onAction={onAction}
              />
            </li>
          )),
        )}
      </ul>
    </div>
  );
}

interface CardProps {
  workspace: Workspace;
  isCurrent: boolean;
  isSelected: boolean;
  onToggle: (id: string, isRange: boolean) => void;
  onSelect: (workspace: Workspace) => void;
  onAction: (action: WorkspaceAction, workspace: Workspace) => void;
}

const Card = memo(function Card({
  workspace,
  isCurrent,
  isSelected,
  onToggle,
  onSelect,
  onAction,
}: CardProps) {
  const t = useT();
  return (
    <div className="workspace-row" data-current={isCurrent} data-selected={isSelected}>
      <WorkspaceItem
        workspace={workspace}
        onSelect={onSelect}
        onAction={(action) => onAction(action, workspace)}
      />
      <label className="row-check">
        <input
          type="checkbox"
          checked={isSelected}
          aria-label={t("list.select", { name: workspace.name })}
          onChange={(event) => onToggle(workspace.id, (event.nativeEvent as PointerEvent).shiftKey)}
        />
      </label>
    </div>
  );
});
