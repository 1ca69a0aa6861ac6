import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { use, useCallback, useDeferredValue, useEffect, useMemo, useRef } from "react";
import { hasAccount, mayCreate, useSession } from "../../../api/abilities";
import { workspacesQuery } from "../../../api/queries";
import type { Workspace, WorkspaceAction } from "../../../api/types";
import { slowClock, useNow } from "../../../shared/clock";
import { useT } from "../../../shared/i18n/messages";
import { useShortcuts } from "../../../shared/shortcuts";
import { lazily } from "../../../shared/lazily";
import { useStore } from "../../../shared/Store";
import { buttonClass } from "../../../ui/Button";
import { CapacityFoot } from "./CapacityFoot";
import { WorkspaceCards } from "./cards/WorkspaceCards";
import { countsOf, passes } from "./filter/query";
import { isLive, sorted, type Sorting, sortingOf, sortText } from "./filter/sorting";
import { useFilterText } from "./filter/useFilterText";
import { layoutStore } from "./layout";
import { ListPlaceholder } from "./ListPlaceholder";
import { ListStateContext } from "./listState";
import { FilterBox, ListTools } from "./ListTools";
import { useOpenId } from "../useOpenId";
import { WorkspaceTable } from "./table/WorkspaceTable";
import { usageOf, useWatchAll, WATCHABLE } from "./usage";
import type { RowsHandle } from "./useRoving";
import { useSelection } from "./useSelection";

const BulkBar = lazily(async () => (await import("./BulkBar")).BulkBar, {
  kind: "part",
  fallback: () => <div className="bulk-bar" />,
});

export interface WorkspaceListProps {
  workspaces: Workspace[];
  onWorkspaceSelect: (workspace: Workspace) => void;
  onWorkspaceAction: (action: WorkspaceAction, workspace: Workspace) => void;
}

/** An order by use of more than can be watched is as old as this at most. */
const LIVE_ORDER_MS = 30_000;

/** All workspaces in the wanted order; by use, it is made anew every half minute and not with every figure. */
function useSorted(workspaces: readonly Workspace[], sorting: Sorting): Workspace[] {
  const { key, isReversed } = sorting;
  const isByUse = isLive(key);
  const turn = useNow(slowClock);
  useWatchAll(workspaces, isByUse);
  useQuery({
    ...workspacesQuery,
    refetchInterval: isByUse && workspaces.length > WATCHABLE ? LIVE_ORDER_MS : false,
  });
  const when = isByUse ? turn : 0;
  return useMemo(
    () => (when < 0 ? [] : sorted(workspaces, { key, isReversed }, usageOf)),
    [workspaces, key, isReversed, when],
  );
}

/** Every workspace, filtered and sorted by what the address says: alone as a table, beside an open one as cards. */
export function WorkspaceListComponent({
  workspaces,
  onWorkspaceSelect,
  onWorkspaceAction,
}: WorkspaceListProps) {
  const t = useT();
  const navigate = useNavigate();
  const { loading, error } = use(ListStateContext);
  const search = useSearch({ strict: false });
  const workspaceId = useOpenId();
  const stored = useStore(layoutStore);
  const now = useNow(slowClock);
  const [text, setText] = useFilterText();
  const q = useDeferredValue(text);
  const { key, isReversed } = sortingOf(search.sort);
  const sorting = useMemo(() => ({ key, isReversed }), [key, isReversed]);
  const inOrder = useSorted(workspaces, sorting);
  const shown = useMemo(() => inOrder.filter(passes(q, now)), [inOrder, q, now]);
  const templates = useMemo(
    () => [...new Set(workspaces.map((one) => one.template))].toSorted(),
    [workspaces],
  );
  const counts = useMemo(() => countsOf(workspaces, now), [workspaces, now]);
  const selection = useSelection(shown);
  const handle = useRef<RowsHandle>(null);
  const filterInput = useRef<HTMLInputElement>(null);
  const toFilter = useCallback(() => filterInput.current?.focus(), []);
  useShortcuts({ "/": toFilter });
  // The list changes its form with what is open beside it: the row that had the focus is another element then.
  const wasOpen = useRef(workspaceId);
  useEffect(() => {
    const id = workspaceId ?? wasOpen.current;
    const isChanged = (workspaceId === undefined) !== (wasOpen.current === undefined);
    wasOpen.current = workspaceId;
    if (!isChanged || document.activeElement !== document.body) return;
    const at = shown.findIndex((one) => one.id === id || one.name === id);
    if (at >= 0) handle.current?.focusAt(at);
    if (document.activeElement === document.body) document.getElementById("content")?.focus();
  }, [workspaceId, shown]);

  const isBeside = workspaceId !== undefined;
  const isTable = !isBeside && (search.view ?? stored) === "table";
  const onFilterKey = (pressedKey: "ArrowDown" | "Enter") => {
    if (pressedKey === "ArrowDown") handle.current?.focusAt(0);
    else {
      const first = inOrder.find(passes(text, now));
      if (first) onWorkspaceSelect(first);
    }
  };
  const onSort = useCallback(
    (next: Sorting) => {
      const sort = sortText(next);
      void navigate({
        to: ".",
        replace: true,
        search: ({ sort: _, ...rest }: Record<string, unknown>) => (sort ? { ...rest, sort } : rest),
      });
    },
    [navigate],
  );
  // Not made anew with every letter of the filter: what is shown follows once there is time.
  const rows = useMemo(() => {
    const given = {
      shown,
      selection,
      onSelect: onWorkspaceSelect,
      onAction: onWorkspaceAction,
      onLeave: toFilter,
      handle,
    };
    return isTable ? (
      <WorkspaceTable {...given} sorting={sorting} onSort={onSort} />
    ) : (
      <WorkspaceCards {...given} openId={workspaceId} />
    );
  }, [
    shown,
    selection,
    onWorkspaceSelect,
    onWorkspaceAction,
    toFilter,
    isTable,
    sorting,
    onSort,
    workspaceId,
  ]);
  const box = <FilterBox inputRef={filterInput} text={text} onText={setText} onKey={onFilterKey} />;
  const session = useSession();
  const createText = t("list.create");
  const create = useMemo(
    () => (
      <Link
        to="."
        search={(before: Record<string, unknown>) => ({ ...before, new: true as const })}
        className={buttonClass(isBeside ? "plain" : "primary")}
      >
        <Plus aria-hidden size={16} />
        {createText}
      </Link>
    ),
    [isBeside, createText],
  );
  const isFiltered = q.trim() !== "";
  return (
    <section className="workspace-list" data-beside={isBeside} aria-label={t("list.title")}>
      <header className="workspace-list-head">
        <h1 className={isBeside ? "visually-hidden" : undefined}>{t("list.title")}</h1>
        {isBeside
          ? box
          : workspaces.length > 0 && (
              <span className="list-count muted" role="status">
                {isFiltered
                  ? t("list.countOf", {
                      shown: shown.length.toLocaleString(t.locale),
                      count: workspaces.length.toLocaleString(t.locale),
                    })
                  : t("list.countRunning", {
                      count: workspaces.length.toLocaleString(t.locale),
                      running: counts.running.toLocaleString(t.locale),
                    })}
              </span>
            )}
        {mayCreate(session) && create}
      </header>
      {!isBeside && selection.items.length === 0 && (
        <ListTools counts={counts} templates={templates} text={q} onText={setText} box={box} />
      )}
      {selection.items.length > 0 && <BulkBar selection={selection} shown={shown} />}
      <ListPlaceholder loading={loading} error={error} total={workspaces.length} shown={shown.length} />
      {shown.length > 0 && rows}
      {!isBeside && hasAccount(session) && <CapacityFoot workspaces={workspaces} />}
    </section>
  );
}
