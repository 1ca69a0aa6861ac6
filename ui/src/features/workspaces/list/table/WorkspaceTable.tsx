import { useVirtualizer, type Range, type VirtualItem, type Virtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Workspace } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { useStore } from "../../../../shared/Store";
import { remPx, useWidth } from "../../../../shared/useSize";
import type { Sorting } from "../filter/sorting";
import type { RowsProps } from "../rows";
import { useRoving } from "../useRoving";
import { chosenColumns, densityStore, fitted } from "./columns";
import { Slots } from "./Slots";
import { TableHead } from "./TableHead";
import { TableRow } from "./TableRow";

/** Of a row, in rem. */
const HEIGHTS = { comfortable: 3.5, compact: 2.25 } as const;
const HEAD_REM = 2.25;
/** So many rows beyond those in sight are made ahead of the wheel, and behind it or while the list is filtered. */
const AHEAD = 8;
const BEHIND = 2;
/** After so long at rest the rows are put in order again for who reads the page as it is written. */
const REST_MS = 500;

/** How many rows are made above and below what is in sight. */
type Margin = readonly [above: number, below: number];

/** At rest both ways may be next; on the way there is one, and what is just filtered or new has to be seen soon. */
function marginOf(direction: "forward" | "backward" | null, isBusy: boolean): Margin {
  if (direction) return direction === "forward" ? [BEHIND, AHEAD] : [AHEAD, BEHIND];
  return isBusy ? [BEHIND, BEHIND] : [AHEAD, AHEAD];
}

/** The rows near what is in sight, and the one that has the focus, which would be lost with it. */
function near(range: Range, [above, below]: Margin, shown: readonly Workspace[]): number[] {
  const first = Math.max(0, range.startIndex - above);
  const last = Math.min(range.count - 1, range.endIndex + below);
  const indexes = Array.from({ length: last - first + 1 }, (_, place) => first + place);
  const id = document.activeElement?.closest<HTMLElement>(".table-row")?.dataset.id;
  const focused = id === undefined ? -1 : shown.findIndex((one) => one.id === id);
  if (focused < 0 || indexes.includes(focused)) return indexes;
  return focused < range.startIndex ? [focused, ...indexes] : [...indexes, focused];
}

/** Whether a value has been the same for a while; it has not at first. */
function useIsAtRest(value: unknown): boolean {
  const [rested, setRested] = useState<unknown>();
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), REST_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return rested === value;
}

interface Placed {
  slot: number;
  row: VirtualItem;
  workspace: Workspace;
}

/** Gives each row an element: while the list moves in any order, so that none of them is moved in the page. */
function placed(
  slots: Slots,
  rows: readonly VirtualItem[],
  shown: readonly Workspace[],
  isMoving: boolean,
): Placed[] {
  const known = rows.flatMap((row) => {
    const workspace = shown[row.index];
    return workspace ? [{ row, workspace }] : [];
  });
  const taken = slots.take(known.map(({ workspace }) => workspace.id));
  const all = known.map((one, at) => ({ ...one, slot: taken[at] ?? 0 }));
  return isMoving ? all.toSorted((a, b) => a.slot - b.slot) : all;
}

interface WorkspaceTableProps extends RowsProps {
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
}

/** The workspaces as rows of a table; only those in sight and a few more are made. */
export function WorkspaceTable(props: WorkspaceTableProps) {
  const { shown, selection, onSelect, onAction, onLeave, handle, sorting, onSort } = props;
  const t = useT();
  const scroller = useRef<HTMLDivElement>(null);
  const wanted = useStore(chosenColumns);
  const density = useStore(densityStore);
  const [rem] = useState(remPx);
  const [slots] = useState(() => new Slots());
  const width = useWidth(scroller);
  const { columns, hasAction, template } = useMemo(() => fitted(wanted, width / rem), [wanted, width, rem]);
  const isAtRest = useIsAtRest(shown);
  const height = HEIGHTS[density] * rem;
  // oxlint-disable-next-line react/incompatible-library -- no compiler is used that would memoise around it
  const rows: Virtualizer<HTMLDivElement, Element> = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => shown[index]?.id ?? index,
    estimateSize: () => height,
    // What is in sight is made already: rows beyond it come a frame later, and the one that answers the wheel is not held up.
    useFlushSync: false,
    rangeExtractor: (range) => near(range, marginOf(rows.scrollDirection, !isAtRest), shown),
    isScrollingResetDelay: REST_MS,
    initialRect: { width: 1400, height: 700 },
    // The heads lie over what scrolls.
    scrollPaddingEnd: HEAD_REM * rem,
  });
  const [measured, setMeasured] = useState(height);
  if (measured !== height) {
    setMeasured(height);
    rows.measure();
  }
  const roving = useRoving({
    shown,
    openId: undefined,
    scroller,
    target: "",
    columns: 1,
    page: Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / height) - 1),
    scrollTo: (index) => rows.scrollToIndex(index),
    onSelect,
    onToggle: selection.toggle,
    onLeave,
    handle,
  });
  const isMoving = !isAtRest || rows.isScrolling;
  const { items, ids, set } = selection;
  const selectAll = useCallback(
    (isSelected: boolean) => set(isSelected ? shown.map((one) => one.id) : []),
    [set, shown],
  );
  return (
    <div
      className="workspace-table"
      ref={scroller}
      role="grid"
      aria-label={t("list.title")}
      aria-rowcount={shown.length + 1}
      aria-multiselectable
      data-density={density}
      tabIndex={-1}
      style={{ "--columns": template, "--row": `${height}px` } as CSSProperties}
    >
      <TableHead
        columns={columns}
        hasAction={hasAction}
        sorting={sorting}
        onSort={onSort}
        count={shown.length}
        selected={items.length}
        onAll={selectAll}
      />
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- keys of the rows in it */}
      <div
        className="table-body"
        role="rowgroup"
        style={{ blockSize: rows.getTotalSize() }}
        onKeyDown={roving.onKeyDown}
      >
        {placed(slots, rows.getVirtualItems(), shown, isMoving).map(({ slot, row, workspace }) => (
          <div
            key={slot}
            role="presentation"
            className="table-place"
            data-last={row.index === shown.length - 1}
            style={{ insetBlockStart: row.start }}
          >
            <TableRow
              workspace={workspace}
              index={row.index}
              columns={columns}
              hasAction={hasAction}
              isActive={workspace.id === roving.activeId}
              isSelected={ids.has(workspace.id)}
              onToggle={selection.toggle}
              onSelect={onSelect}
              onAction={onAction}
            />
          </div>
        ))}
      </div>
    </div>
  );
}
