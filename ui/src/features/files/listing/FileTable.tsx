import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { type KeyboardEvent, useCallback, useMemo, useRef, useState } from "react";
import { useNow } from "../../../shared/clock";
import { useT } from "../../../shared/i18n/messages";
import type { Entry } from "../api";
import { BulkBar } from "./BulkBar";
import { type Asked, EntryDialogs } from "./EntryDialogs";
import type { Ask } from "./EntryMenu";
import { FileRow } from "./FileRow";
import { keyOf, type Order, ordered, type OrderKey, turned } from "./order";
import { useMarked } from "./useMarked";

/** As files.css has it. */
const ROW_HEIGHT = 36;
const OVERSCAN = 12;

interface FileTableProps {
  workspaceId: string;
  directory: string;
  entries: readonly Entry[];
  order: Order;
  onOrder: (order: Order) => void;
  onOpen: (entry: Entry) => void;
}

/** The names of one directory: sorted, selected by pointer and keys, and only those in sight are drawn. */
export function FileTable({ workspaceId, directory, entries, order, onOrder, onOpen }: FileTableProps) {
  const t = useT();
  const now = useNow();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [current, setCurrent] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => ordered(entries, order, t.locale), [entries, order, t.locale]);
  const marked = useMarked(shown);
  // oxlint-disable-next-line react/incompatible-library -- no compiler is used that would memoise around it
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => shown[index]?.path ?? index,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    initialRect: { width: 800, height: 800 },
  });
  const ask = useCallback((kind: Ask, entry: Entry) => setAsked({ kind, entries: [entry] }), []);
  const askAll = (kind: "move" | "delete") => setAsked({ kind, entries: marked.entries });
  const focusRow = (wanted: number) => {
    const index = Math.min(shown.length - 1, Math.max(0, wanted));
    setCurrent(index);
    rows.scrollToIndex(index);
    // The row may have to be made first.
    requestAnimationFrame(() =>
      requestAnimationFrame(() =>
        scroller.current?.querySelector<HTMLElement>(`tr[data-index="${index}"]`)?.focus(),
      ),
    );
    return shown[index];
  };
  const onKey = (event: KeyboardEvent) => {
    const row = (event.target as Element).closest<HTMLElement>("tr[data-index]");
    const at = row ? Number(row.dataset.index) : current;
    const entry = shown[at];
    if (!entry || event.altKey || (event.target as Element).closest("[role=menu], [role=dialog]")) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: shown.length - 1,
    };
    const isCommand = event.ctrlKey || event.metaKey;
    const to = steps[event.key];
    const chosen = marked.paths.size > 0 ? marked.entries : [entry];
    const keys: Record<string, () => unknown> = {
      " ": () => marked.toggle(entry.path, event.shiftKey),
      x: () => marked.toggle(entry.path, false),
      Enter: () => entry.type !== "other" && onOpen(entry),
      Escape: () => marked.set([]),
      F2: () => ask("rename", entry),
      Delete: () => setAsked({ kind: "delete", entries: chosen }),
    };
    if (to !== undefined && !isCommand) {
      if (event.shiftKey && marked.paths.size === 0) marked.toggle(entry.path, false);
      const next = focusRow(to);
      if (event.shiftKey && next) marked.toggle(next.path, true);
    } else if (isCommand && event.key === "a") marked.set(shown.map((one) => one.path));
    else if (!isCommand && keys[event.key] && (event.target === row || event.key !== "Enter")) {
      keys[event.key]?.();
    } else return;
    event.preventDefault();
  };
  const items = rows.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = rows.getTotalSize() - (items.at(-1)?.end ?? 0);
  const head = { order, onOrder };
  const count = marked.entries.length;
  return (
    <>
      {count > 0 && (
        <BulkBar
          workspaceId={workspaceId}
          directory={directory}
          entries={marked.entries}
          onAsk={askAll}
          onClear={() => marked.set([])}
        />
      )}
      <div className="files-scroll" ref={scroller} onKeyDown={onKey} role="presentation">
        <table
          className="files-table"
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-to-interactive-role -- its rows are selected, as a grid's are
          role="grid"
          aria-label={t("files.names")}
          aria-multiselectable
          aria-rowcount={shown.length + 1}
        >
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col" className="file-check">
                <input
                  type="checkbox"
                  aria-label={t("files.markAll")}
                  checked={count > 0 && count === shown.length}
                  ref={(box) => {
                    if (box) box.indeterminate = count > 0 && count < shown.length;
                  }}
                  onChange={() => marked.set(count === shown.length ? [] : shown.map((one) => one.path))}
                />
              </th>
              <Head {...head} column="name" text={t("files.name")} />
              <Head {...head} column="size" text={t("files.size")} />
              <th scope="col">{t("files.mode")}</th>
              <Head {...head} column="modified" text={t("files.modified")} />
              <th scope="col">
                <span className="visually-hidden">{t("app.menu")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {before > 0 && <Gap height={before} />}
            {items.map(({ index, key }) => {
              const entry = shown[index];
              return entry ? (
                <FileRow
                  key={key}
                  workspaceId={workspaceId}
                  entry={entry}
                  index={index}
                  now={now}
                  isMarked={marked.paths.has(entry.path)}
                  isCurrent={index === Math.min(current, shown.length - 1)}
                  onMark={marked.toggle}
                  onFocus={setCurrent}
                  onAsk={ask}
                />
              ) : null;
            })}
            {after > 0 && <Gap height={after} />}
          </tbody>
        </table>
      </div>
      {asked && (
        <EntryDialogs
          workspaceId={workspaceId}
          directory={directory}
          asked={asked}
          onClose={() => setAsked(null)}
          onGone={() => marked.set([])}
        />
      )}
    </>
  );
}

/** Keeps the room of the rows that are out of sight. */
function Gap({ height }: { height: number }) {
  return (
    <tr aria-hidden className="files-gap">
      <td colSpan={6} style={{ blockSize: height }} aria-hidden>
        {" "}
      </td>
    </tr>
  );
}

interface HeadProps {
  column: OrderKey;
  text: string;
  order: Order;
  onOrder: (order: Order) => void;
}

function Head({ column, text, order, onOrder }: HeadProps) {
  const isSorted = keyOf(order) === column;
  const isDown = order.startsWith("-");
  const Icon = isDown ? ArrowDown : ArrowUp;
  return (
    <th
      scope="col"
      className={`file-${column}`}
      aria-sort={isSorted ? (isDown ? "descending" : "ascending") : "none"}
    >
      <button type="button" className="sort-button" onClick={() => onOrder(turned(order, column))}>
        {text}
        {isSorted && <Icon aria-hidden size={13} />}
      </button>
    </th>
  );
}
