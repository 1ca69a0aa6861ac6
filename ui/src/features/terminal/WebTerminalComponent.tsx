import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { type Direction, layoutQuery } from "../../api/layouts";
import { useWatch } from "../../api/live";
import { reasonOf } from "../../api/mutations";
import { workspaceQuery } from "../../api/queries";
import { isBusy, type TerminalInfo, terminalsQuery, useTerminals } from "../../api/terminals";
import { useT } from "../../shared/i18n/messages";
import { lazily } from "../../shared/lazily";
import { useStore } from "../../shared/Store";
import { useTitle } from "../../shared/useTitle";
import type { News } from "./connection/wire";
import { allOf, tabOf, terminalsOf } from "./layout/layout";
import { layoutKeeper } from "./layout/LayoutKeeper";
import { Panes } from "./layout/Panes";
import { TerminalTabs } from "./layout/TerminalTabs";
import { type PaneHandle, TerminalPane } from "./pane/TerminalPane";

const EndedPane = lazily(async () => (await import("./layout/EndedPane")).EndedPane);
const CloseDialog = lazily(async () => (await import("./pane/CloseDialog")).default, { kind: "dialog" });
const SettingsDialog = lazily(async () => (await import("./pane/SettingsDialog")).default, {
  kind: "dialog",
});

export interface WebTerminalProps {
  workspaceId: string;
  /** Terminals are not opened, named or closed here: those that are there are seen. */
  isLooking?: boolean;
  onClose: () => void;
}

interface Choice {
  /** The terminal that is in front; kept by the caller, who may put it into the address. */
  current?: string | undefined;
  onCurrent?: (id: string) => void;
  /** A file that is named on the screen was opened (absolute, not encoded). */
  onFile?: (path: string, line: number) => void;
}

const YOUNG_MS = 5_000;
const NOBODY: ReadonlySet<string> = new Set();
const NO_NEWS: ReadonlyMap<string, News> = new Map();

/** The workspace's terminals and when it was started, as they are since this view is shown: older news count for nothing. */
function useLook(workspaceId: string, visited: ReadonlySet<string>, isTold: boolean) {
  useWatch("terminals", workspaceId);
  const list = useQuery({ ...terminalsQuery(workspaceId, isTold), refetchOnMount: "always" });
  const workspace = useQuery({ ...workspaceQuery(workspaceId), refetchOnMount: "always" });
  const boot = workspace.isFetchedAfterMount ? workspace.data?.started_at : undefined;
  const all = list.isFetchedAfterMount ? list.data : undefined;
  // A shell that ended with an error stays where it was seen, to be read; one that nobody looked at is gone.
  const terminals = useMemo(
    () => all?.filter((one) => one.exit_status === null || visited.has(one.id)),
    [all, visited],
  );
  const isThere = boot !== undefined && boot !== null && terminals !== undefined;
  return { look: isThere ? { terminals, boot } : null, error: list.error, name: workspace.data?.name ?? "" };
}

/** The arrangement as it is here, brought in line with what the service has of it. */
function useLayout(workspaceId: string) {
  const keeper = layoutKeeper(workspaceId);
  const stored = useQuery(layoutQuery(workspaceId));
  useEffect(() => {
    if (stored.data) keeper.take(stored.data);
  }, [keeper, stored.data]);
  // Without the service this browser's copy has to do.
  return { keeper, layout: useStore(keeper.layout), isRead: !stored.isPending || stored.failureCount > 0 };
}

/** All terminals of one workspace, in tabs and beside each other; which there are is what the workspace says. */
export function WebTerminalComponent({
  workspaceId,
  isLooking,
  onClose,
  current,
  onCurrent,
  onFile,
}: WebTerminalProps & Choice) {
  const t = useT();
  const client = useQueryClient();
  const { open, rename, end } = useTerminals(workspaceId);
  const { keeper, layout, isRead } = useLayout(workspaceId);
  const [chosen, setChosen] = useState(current);
  const [visited, setVisited] = useState(NOBODY);
  const [fresh, setFresh] = useState(NOBODY);
  const [news, setNews] = useState(NO_NEWS);
  const [titles, setTitles] = useState<ReadonlyMap<string, string>>(new Map());
  const [renaming, setRenaming] = useState<string | null>(null);
  const [isSettingsOpen, setIsSettingsOpen] = useState(false);
  const [closing, setClosing] = useState<{ id: string; process: string } | null>(null);
  const newButton = useRef<HTMLButtonElement>(null);
  const panes = useRef(new Map<string, PaneHandle>());
  const isOffered = useRef(false);
  const isShown = useRef(true);
  useEffect(() => {
    isShown.current = true;
    return () => void (isShown.current = false);
  }, []);
  const [since] = useState(() => Date.now());
  /** When this page opened which terminals: a list that was read before tells nothing of them. */
  const young = useRef(new Map<string, number>());
  /** How many terminals are being opened by this page. */
  const [opening, setOpening] = useState(0);
  /** Terminals that this page is ending: a list may still name them. */
  const leaving = useRef(new Set<string>());
  const isTold = visited.size === 0 || news.size > 0;
  const { look, error, name } = useLook(workspaceId, visited, isTold);

  const { tabs, terminals } = layout;
  const byId = useMemo(() => new Map(look?.terminals.map((one) => [one.id, one])), [look]);
  const all = allOf(layout);
  const wanted = [chosen, current, layout.front].find((id) => id !== undefined && all.includes(id));
  const tab = tabOf(tabs, wanted);
  const inTab = tab ? terminalsOf(tab) : [];
  const front = wanted !== undefined && inTab.includes(wanted) ? wanted : inTab[0];
  const isEnded = (id: string) => terminals[id]?.ended === true;
  const shown = all.filter((id) => visited.has(id) || inTab.includes(id));

  /** What a terminal is called: the name it was given, else what its program calls itself, else what runs in it. */
  const nameOf = (id: string): string => {
    const told = news.get(id);
    const known: Partial<TerminalInfo> | undefined = byId.get(id) ?? terminals[id];
    const given = told ? told.name : known?.name;
    const runs = told ? told.process : known?.process;
    return given || titles.get(id) || told?.title || known?.title || runs || "shell";
  };
  const cwdOf = (id: string): string => news.get(id)?.cwd || byId.get(id)?.cwd || terminals[id]?.cwd || "";
  const noteOf = (id: string): string => {
    const windows = news.get(id)?.attached ?? 1;
    const words = [cwdOf(id), ...(windows > 1 ? [t("terminal.windows", { count: windows })] : [])];
    return words.filter(Boolean).join(" · ");
  };
  useTitle(front === undefined ? "" : `${nameOf(front)} · ${name}`, "part");

  const choose = (id: string) => {
    setChosen(id);
    const beside = tabOf(keeper.layout.get().tabs, id);
    setVisited((before) => new Set([...before, ...(beside ? terminalsOf(beside) : []), id]));
    keeper.dispatch({ type: "fronted", id });
    onCurrent?.(id);
  };
  /** Opens a terminal and puts it into its place before anything else can tell of it; null where it failed. */
  const make = async (cwd: string, place: (id: string) => void) => {
    setOpening((count) => count + 1);
    try {
      const { id } = await open.mutateAsync(cwd);
      young.current.set(id, Date.now());
      setFresh((before) => new Set(before).add(id));
      place(id);
      return id;
    } catch {
      return null; // it was said
    } finally {
      setOpening((count) => count - 1);
    }
  };
  const add = async (beside?: string, direction?: Direction) => {
    const cwd = beside === undefined ? "" : cwdOf(beside);
    const id = await make(cwd, (made) => {
      // In front from the moment its tab is drawn: what is pressed next means it.
      setChosen(made);
      keeper.dispatch({ type: "opened", id: made, beside, direction });
    });
    if (id === null || !isShown.current) return;
    setVisited((before) => new Set([...before, ...inTab]));
    choose(id);
  };
  const reopen = async (ids: readonly string[]) => {
    for (const id of ids) {
      const before = keeper.layout.get().terminals[id];
      const place = (made: string) => keeper.dispatch({ type: "reopened", before: id, id: made });
      // The directory may have gone meanwhile.
      const made = (await make(before?.cwd ?? "", place)) ?? (before?.cwd ? await make("", place) : null);
      if (made === null) return;
      if (before?.name) rename.mutate({ id: made, name: before.name });
      if (id === front && isShown.current) choose(made);
    }
  };
  const close = (id: string) => {
    setClosing(null);
    young.current.delete(id);
    isOffered.current = true;
    const isGone = isEnded(id);
    keeper.dispatch({ type: "closed", id });
    if (!isGone) {
      leaving.current.add(id);
      void end
        .mutateAsync(id)
        .catch(() => null) // it was said
        .finally(() => leaving.current.delete(id));
    }
    if (all.length <= 1) onClose();
  };
  /** Closes a terminal; where something runs in it, or nobody can tell, only after asking. */
  const askToClose = async (id: string) => {
    if (isEnded(id)) {
      close(id);
      return;
    }
    const now = await client
      .fetchQuery({ ...terminalsQuery(workspaceId), staleTime: 0, retry: false })
      .catch(() => null);
    const terminal = (now ?? look?.terminals)?.find((one) => one.id === id);
    if (terminal && !isBusy(terminal) && now) close(id);
    else setClosing({ id, process: terminal?.process ?? "" });
  };
  useEffect(() => {
    if (!look || !isRead) return;
    const listed = new Set(look.terminals.map(({ id }) => id));
    const placed = new Set(allOf(keeper.layout.get()));
    // What is just being opened may be listed before the answer comes that says so; it gets its place then.
    const told = look.terminals
      .filter(({ id }) => !leaving.current.has(id) && (opening === 0 || placed.has(id)))
      .map((one) => ({ ...one, ...news.get(one.id) }));
    const unlisted = [...young.current]
      .filter(([id, at]) => !listed.has(id) && Date.now() - at < YOUNG_MS)
      .map(([id]) => ({ id, ...(keeper.layout.get().terminals[id] ?? { name: "", process: "", cwd: "" }) }));
    keeper.dispatch({ type: "looked", terminals: [...told, ...unlisted], boot: look.boot });
    // Somebody who goes to a workspace's terminals and finds none wants one; the first list may name some that just ended.
    if (
      isLooking ||
      isOffered.current ||
      opening > 0 ||
      keeper.layout.get().tabs.length > 0 ||
      Date.now() - since > YOUNG_MS
    )
      return;
    isOffered.current = true;
    void add();
    // oxlint-disable-next-line react/exhaustive-deps
  }, [look?.terminals, look?.boot, isRead, opening]);

  const endedIds = all.filter(isEnded);
  const pane = (id: string) => {
    const remembered = terminals[id];
    return remembered?.ended ? (
      <EndedPane
        terminal={remembered}
        others={endedIds.length - 1}
        isBusy={opening > 0}
        onReopen={() => void reopen([id])}
        onReopenAll={() => void reopen(endedIds)}
        onClose={() => close(id)}
      />
    ) : (
      <TerminalPane
        workspaceId={workspaceId}
        terminalId={id}
        label={nameOf(id)}
        isNew={fresh.has(id)}
        isCurrent={id === front && renaming === null}
        handle={(one) => void (one ? panes.current.set(id, one) : panes.current.delete(id))}
        cwd={cwdOf(id)}
        onTitle={(title) => setTitles((before) => new Map(before).set(id, title.slice(0, 100)))}
        onNews={(told) => {
          setNews((before) => new Map(before).set(id, told));
          keeper.dispatch({ type: "told", terminal: { id, ...told } });
        }}
        onFile={(path, line) => onFile?.(path, line)}
        onFocus={() => id !== front && choose(id)}
        onLeave={() => newButton.current?.focus()}
        onEnded={(code) => code === 0 && close(id)}
      />
    );
  };
  return (
    <section className="web-terminal" data-looking={isLooking} aria-label={t("terminal.tabs")}>
      <TerminalTabs
        tabs={tabs}
        current={tab}
        front={front}
        nameOf={nameOf}
        noteOf={noteOf}
        isOpening={opening > 0}
        isAlive={front !== undefined && !isEnded(front)}
        renaming={renaming}
        newButton={newButton}
        onChoose={choose}
        onClose={(id) => void askToClose(id)}
        onMove={(id, to) => keeper.dispatch({ type: "moved", id, to })}
        onRenaming={setRenaming}
        onRename={(id, to) => rename.mutate({ id, name: to })}
        onNew={() => void add()}
        onSplit={(direction) => void add(front, direction)}
        onFind={() => panes.current.get(front ?? "")?.find()}
        onCopyOutput={() => panes.current.get(front ?? "")?.copyLastOutput()}
        onSettings={() => setIsSettingsOpen(true)}
      />
      {error && !look && (
        <p className="placeholder" role="alert">
          {t("terminal.failed", { reason: reasonOf(error) })}
        </p>
      )}
      {tabs.length === 0 && !error && (
        <p className="placeholder muted">{t(look && opening === 0 ? "terminal.none" : "app.loading")}</p>
      )}
      {tabs.length > 0 && (
        <Panes
          tab={tab}
          ids={shown}
          onResize={(first, second, by) => keeper.dispatch({ type: "resized", first, second, by })}
        >
          {pane}
        </Panes>
      )}
      <p className="terminal-hint muted">{t("terminal.leave")}</p>
      {isSettingsOpen && (
        <SettingsDialog workspaceId={workspaceId} onClose={() => setIsSettingsOpen(false)} />
      )}
      {closing && (
        <CloseDialog
          name={nameOf(closing.id)}
          process={closing.process}
          onClose={() => setClosing(null)}
          onEnd={() => close(closing.id)}
        />
      )}
    </section>
  );
}
