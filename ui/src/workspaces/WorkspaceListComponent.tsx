import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Plus } from "lucide-react";
import { memo, use, useDeferredValue, useMemo, useRef } from "react";
import type { Workspace, WorkspaceAction } from "../api/types";
import { useT } from "../i18n/messages";
import { useShortcuts } from "../shared/shortcuts";
import { BulkBar } from "./BulkBar";
import { CapacityBar } from "./CapacityBar";
import { filtered, filterOf, isFiltering } from "./filter";
import { ListFilters } from "./ListFilters";
import { ListStateContext } from "./listState";
import { noteScroll } from "./scrolling";
import { useSelection } from "./useSelection";
import { useFilterText } from "./useFilterText";
import { ListPlaceholder } from "./ListPlaceholder";
import { WorkspaceItem } from "./WorkspaceItem";

export interface WorkspaceListProps {
  workspaces: Workspace[];
  onWorkspaceSelect: (workspace: Workspace) => void;
  onWorkspaceAction: (action: WorkspaceAction, workspace: Workspace) => void;
}

const ROW_HEIGHT = 211;
const OVERSCAN = 4;

/** Every workspace, filtered and sorted by what the address says; only the rows in sight are made. */
export function WorkspaceListComponent({
  workspaces,
  onWorkspaceSelect,
  onWorkspaceAction,
}: WorkspaceListProps) {
  const t = useT();
  const { loading, error } = use(ListStateContext);
  const search = useSearch({ strict: false });
  const { workspaceId } = useParams({ strict: false });
  const [text, setText] = useFilterText();
  const q = useDeferredValue(text);
  const { status, template, sort } = filterOf(search);
  const filter = useMemo(() => ({ q, status, template, sort }), [q, status, template, sort]);
  const shown = useMemo(() => filtered(workspaces, filter), [workspaces, filter]);
  const selection = useSelection(shown);

  const scroller = useRef<HTMLDivElement>(null);
  const filterInput = useRef<HTMLInputElement>(null);
  // oxlint-disable-next-line react/incompatible-library -- no compiler is used that would memoise around it
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => shown[index]?.id ?? index,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    initialRect: { width: 400, height: 800 },
  });

  const move = (by: 1 | -1) => {
    const at = shown.findIndex((one) => one.id === workspaceId || one.name === workspaceId);
    const index = at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by));
    const next = shown[index];
    if (!next) return;
    rows.scrollToIndex(index);
    onWorkspaceSelect(next);
  };
  useShortcuts({ j: () => move(1), k: () => move(-1), "/": () => filterInput.current?.focus() });

  return (
    <section className="workspace-list" aria-label={t("list.title")}>
      <header className="workspace-list-head">
        <h1>{t("list.title")}</h1>
        <Link
          to="."
          search={(before: Record<string, unknown>) => ({ ...before, new: true as const })}
          className="button button-primary"
        >
          <Plus aria-hidden size={16} />
          {t("list.create")}
        </Link>
      </header>
      <ListFilters inputRef={filterInput} text={text} onText={setText} workspaces={workspaces} />
      <BulkBar
        shown={shown}
        total={workspaces.length}
        isFiltered={isFiltering(filter)}
        selection={selection}
      />
      <div className="workspace-list-rows" ref={scroller} tabIndex={-1} onScroll={noteScroll}>
        <ListPlaceholder loading={loading} error={error} total={workspaces.length} shown={shown.length} />
        <ul style={{ blockSize: rows.getTotalSize() }}>
          {rows.getVirtualItems().map((row) => {
            const workspace = shown[row.index];
            if (!workspace) return null;
            return (
              <li
                key={row.key}
                ref={rows.measureElement}
                data-index={row.index}
                aria-setsize={shown.length}
                aria-posinset={row.index + 1}
                style={{ transform: `translateY(${row.start}px)` }}
              >
                <Row
                  workspace={workspace}
                  isCurrent={workspace.id === workspaceId || workspace.name === workspaceId}
                  isSelected={selection.ids.has(workspace.id)}
                  onToggle={selection.toggle}
                  onSelect={onWorkspaceSelect}
                  onAction={onWorkspaceAction}
                />
              </li>
            );
          })}
        </ul>
      </div>
      <CapacityBar />
    </section>
  );
}

interface RowProps {
  workspace: Workspace;
  isCurrent: boolean;
  isSelected: boolean;
  onToggle: (id: string, isRange: boolean) => void;
  onSelect: (workspace: Workspace) => void;
  onAction: (action: WorkspaceAction, workspace: Workspace) => void;
}

const Row = memo(function Row({ workspace, isCurrent, isSelected, onToggle, onSelect, onAction }: RowProps) {
  const t = useT();
  return (
    <div className="workspace-row" data-current={isCurrent} data-selected={isSelected}>
      <label className="row-check">
        <input
          type="checkbox"
          checked={isSelected}
          aria-label={t("list.select", { name: workspace.name })}
          onChange={(event) => onToggle(workspace.id, (event.nativeEvent as MouseEvent).shiftKey === true)}
        />
      </label>
      <WorkspaceItem
        workspace={workspace}
        onSelect={onSelect}
        onAction={(action) => onAction(action, workspace)}
      />
    </div>
  );
});
