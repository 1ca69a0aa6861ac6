import { useQuery } from "@tanstack/react-query";
import { Columns2, Pencil, Plus, Settings, X } from "lucide-react";
import { type FormEvent, lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { reasonOf } from "../api/mutations";
import { useT } from "../i18n/messages";
import { keptStore, useStore } from "../shared/Store";
import { type TerminalInfo, terminalsQuery, useTerminals } from "./api";
import { isLayout, type Layout, reconciled, tabOf, withSplit } from "./layout";
import { SplitPanes } from "./SplitPanes";
import { TerminalPane } from "./TerminalPane";

const SettingsDialog = lazy(() => import("./SettingsDialog"));

export interface WebTerminalProps {
  workspaceId: string;
  onClose: () => void;
}

interface Choice {
  /** The terminal that is in front; kept by the caller, who may put it into the address. */
  current?: string | undefined;
  onCurrent?: (id: string) => void;
}

const NO_LAYOUT: Layout = [];

/** What a terminal is called: the name it was given, else what its program calls itself. */
const nameOf = (terminal: TerminalInfo | undefined, titles: ReadonlyMap<string, string>): string =>
  terminal?.name || (terminal && titles.get(terminal.id)) || terminal?.title || terminal?.process || "shell";

/** All terminals of one workspace, in tabs and side by side; which there are is what the workspace says. */
export function WebTerminalComponent({
  workspaceId,
  onClose,
  current,
  onCurrent,
}: WebTerminalProps & Choice) {
  const t = useT();
  const { data: terminals, error } = useQuery(terminalsQuery(workspaceId));
  const { open, rename, end } = useTerminals(workspaceId);
  const layoutStore = useMemo(
    () => keptStore<Layout>(`nixws.layout.${workspaceId}`, NO_LAYOUT, isLayout),
    [workspaceId],
  );
  const kept = useStore(layoutStore);
  const [chosen, setChosen] = useState(current);
  const [visited, setVisited] = useState<ReadonlySet<string>>(new Set());
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [titles, setTitles] = useState<ReadonlyMap<string, string>>(new Map());
  const [renaming, setRenaming] = useState<string | null>(null);
  const [isSettingsOpen, setIsSettingsOpen] = useState(false);
  const tools = useRef<HTMLButtonElement>(null);
  const isEmptyAtFirst = useRef(true);

  // A shell that ended with an error stays where it was seen, to be read; one that nobody looked at is gone.
  const byId = useMemo(() => {
    const there = (terminals ?? []).filter((one) => one.exit_status === null || visited.has(one.id));
    return new Map(there.map((one) => [one.id, one]));
  }, [terminals, visited]);
  const layout = useMemo(() => reconciled(kept, [...byId.keys()]), [kept, byId]);
  const wanted = chosen !== undefined && byId.has(chosen) ? chosen : current;
  const tab = tabOf(layout, wanted);
  const front = wanted !== undefined && tab.includes(wanted) ? wanted : tab[0];
  const shownPanes = new Set([...visited, ...tab].filter((id) => byId.has(id)));

  const choose = (id: string) => {
    setChosen(id);
    setVisited((before) => new Set([...before, ...tabOf(layout, id), id]));
    onCurrent?.(id);
  };
  const add = (beside?: string) =>
    open.mutate(undefined, {
      onSuccess: ({ id }) => {
        setFresh((before) => new Set(before).add(id));
        layoutStore.set(beside === undefined ? [...layout, [id]] : withSplit(layout, beside, id));
        setVisited((before) => new Set([...before, ...tab]));
        choose(id);
      },
    });
  const close = (id: string) => {
    end.mutate(id);
    if (byId.size <= 1) onClose();
  };
  // Somebody who goes to a workspace's terminals and finds none wants one.
  useEffect(() => {
    if (!terminals) return;
    if (isEmptyAtFirst.current && byId.size === 0) add();
    isEmptyAtFirst.current = false;
    // oxlint-disable-next-line react/exhaustive-deps
  }, [terminals]);

  if (error && !terminals) {
    return (
      <p className="placeholder" role="alert">
        {t("terminal.failed", { reason: reasonOf(error) })}
      </p>
    );
  }
  const saveName = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name") ?? "").trim();
    if (renaming && name) rename.mutate({ id: renaming, name: name.slice(0, 60) });
    setRenaming(null);
  };
  return (
    <section className="web-terminal" aria-label={t("terminal.tabs")}>
      <div className="terminal-tabs">
        <ul>
          {layout.map((ids) => {
            const id = ids.includes(front ?? "") ? (front ?? "") : (ids[0] ?? "");
            const name = ids.map((one) => nameOf(byId.get(one), titles)).join(" | ");
            return (
              <li key={ids[0]} className="terminal-tab" data-current={ids === tab}>
                {renaming === id ? (
                  <form onSubmit={saveName}>
                    <input
                      name="name"
                      // Renaming was asked for: the next key is the name.
                      // oxlint-disable-next-line jsx-a11y/no-autofocus
                      autoFocus
                      aria-label={t("terminal.name")}
                      defaultValue={nameOf(byId.get(id), titles)}
                      maxLength={60}
                      onBlur={() => setRenaming(null)}
                      onKeyDown={(event) => event.key === "Escape" && setRenaming(null)}
                    />
                  </form>
                ) : (
                  <button
                    type="button"
                    className="terminal-tab-name"
                    aria-pressed={ids === tab}
                    onClick={() => choose(id)}
                    onDoubleClick={() => setRenaming(id)}
                    title={name}
                  >
                    {name}
                  </button>
                )}
                <button
                  type="button"
                  className="icon-button"
                  aria-label={t("terminal.close", { name })}
                  onClick={() => close(id)}
                >
                  <X aria-hidden size={14} />
                </button>
              </li>
            );
          })}
        </ul>
        <div className="terminal-tools">
          <button
            ref={tools}
            type="button"
            className="icon-button"
            aria-label={t("terminal.new")}
            title={t("terminal.new")}
            disabled={open.isPending}
            onClick={() => add()}
          >
            <Plus aria-hidden size={16} />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={t("terminal.split")}
            title={t("terminal.split")}
            disabled={open.isPending || front === undefined}
            onClick={() => add(front)}
          >
            <Columns2 aria-hidden size={16} />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={t("terminal.rename")}
            title={t("terminal.rename")}
            disabled={front === undefined}
            onClick={() => setRenaming(front ?? null)}
          >
            <Pencil aria-hidden size={16} />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={t("terminal.settings")}
            title={t("terminal.settings")}
            onClick={() => setIsSettingsOpen(true)}
          >
            <Settings aria-hidden size={16} />
          </button>
        </div>
      </div>
      {layout.length === 0 && <p className="placeholder muted">{t("terminal.none")}</p>}
      {layout.map((ids) => {
        const mounted = ids.filter((id) => shownPanes.has(id));
        if (mounted.length === 0) return null;
        return (
          <SplitPanes key={ids[0]} ids={mounted} isHidden={ids !== tab}>
            {(id) => (
              <TerminalPane
                workspaceId={workspaceId}
                terminalId={id}
                label={nameOf(byId.get(id), titles)}
                isNew={fresh.has(id)}
                isCurrent={id === front && renaming === null}
                onTitle={(title) => setTitles((before) => new Map(before).set(id, title.slice(0, 100)))}
                onFocus={() => id !== front && choose(id)}
                onLeave={() => tools.current?.focus()}
                onEnded={(code) => code === 0 && close(id)}
              />
            )}
          </SplitPanes>
        );
      })}
      <p className="terminal-hint muted">{t("terminal.leave")}</p>
      <Suspense>{isSettingsOpen && <SettingsDialog onClose={() => setIsSettingsOpen(false)} />}</Suspense>
    </section>
  );
}
