import { Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { useT } from "../../../shared/i18n/messages";
import { keptStore, useStore } from "../../../shared/Store";
import { Button } from "../../../ui/Button";
import { EmptyState } from "../../../ui/EmptyState";
import { shown } from "../paths";
import { showHidden } from "../listing/showHidden";
import { HiddenSwitch, Switch } from "../listing/Switch";
import type { FoundLine, SearchEnd } from "./stream";
import { useFound } from "./useFound";

const MOST = 500;
const LONGEST = 200;
/** What is found so far behind in a line would be out of sight: then the line begins a little before it. */
const FAR = 60;
const NEAR = 30;
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const matchesCase = keptStore("nixws.searchCase", false, isBoolean);

type Search = Record<string, unknown>;

interface SearchViewProps {
  workspaceId: string;
  directory: string;
  /** What is looked for; it stands in the address. */
  text: string;
  onOpen: (file: string, line: number) => void;
}

/** Looks for a text in the files below a directory; what is found is shown as it comes, by file. */
export function SearchView({ workspaceId, directory, text, onOpen }: SearchViewProps) {
  const t = useT();
  const navigate = useNavigate();
  const [typed, setTyped] = useState(text);
  const isCase = useStore(matchesCase);
  const hidden = useStore(showHidden);
  const key = JSON.stringify([text, directory, isCase, hidden]);
  const [run, setRun] = useState(0);
  const [stopped, setStopped] = useState({ key: "", count: 0 });
  const isStopped = stopped.key === key;
  const query = { q: text, limit: String(MOST), case: isCase ? "1" : "0", hidden: hidden ? "1" : "0" };
  const isWanted = text !== "" && !isStopped;
  const { lines, end, problem } = useFound(
    "files-search",
    workspaceId,
    directory,
    isWanted ? query : null,
    run,
  );
  const files = useMemo(() => grouped(lines), [lines]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setStopped({ key: "", count: 0 });
    setRun(run + 1);
    void navigate({ to: ".", search: (before: Search) => ({ ...before, find: typed }) });
  };
  const isRunning = isWanted && !end && !problem;
  return (
    <div className="files-panel">
      <form className="files-bar search-bar" role="search" onSubmit={submit}>
        <Link
          to="."
          search={({ find: _, ...rest }: Search) => rest}
          className="icon-button"
          aria-label={t("files.searchBack")}
        >
          <ArrowLeft aria-hidden size={18} />
        </Link>
        <input
          type="search"
          className="input"
          aria-label={t("files.searchText")}
          placeholder={t("files.searchIn", { path: shown(directory) })}
          maxLength={LONGEST}
          spellCheck={false}
          // oxlint-disable-next-line jsx-a11y/no-autofocus -- the view was asked for to type into it
          autoFocus
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        <Switch store={matchesCase}>{t("files.searchCase")}</Switch>
        <HiddenSwitch />
        {isRunning ? (
          <Button onClick={() => setStopped({ key, count: lines.length })}>{t("files.searchStop")}</Button>
        ) : (
          <Button kind="primary" type="submit" disabled={typed === ""}>
            {t("files.search")}
          </Button>
        )}
      </form>
      <p className="muted" role="status">
        {isRunning && t.count("files.searching", lines.length)}
        {end && told(end)}
        {isStopped && t.count("files.searchStopped", stopped.count)}
      </p>
      {problem && <EmptyState isAlert title={problem} />}
      <div className="search-found">
        {files.map(({ path, lines: those }) => (
          <section key={path}>
            <h3>{shown(path).slice(directory === "/" ? 1 : shown(directory).length + 1)}</h3>
            <ul>
              {those.map((one) => (
                <li key={one.line}>
                  <button type="button" onClick={() => onOpen(path, one.line ?? 1)}>
                    <span className="search-line">{one.line}</span>
                    <code>
                      <Marked text={one.text ?? ""} wanted={text} isCase={isCase} />
                    </code>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </div>
  );

  function told({ count, bound, tool }: SearchEnd): string {
    if (count === 0 && !bound) return t("files.searchNone");
    const what =
      bound === "time"
        ? t.count("files.searchTime", count)
        : t.count(bound ? "files.searchLimit" : "files.searchDone", count);
    return tool === "ripgrep" ? what : `${what} ${t("files.searchSlow")}`;
  }
}

/** The lines of each file together, in the order in which the files were found. */
function grouped(lines: readonly FoundLine[]): { path: string; lines: FoundLine[] }[] {
  const files = new Map<string, FoundLine[]>();
  for (const one of lines) {
    const those = files.get(one.path);
    if (those) those.push(one);
    else files.set(one.path, [one]);
  }
  return [...files].map(([path, those]) => ({ path, lines: those }));
}

/** A line with what was looked for set off; its indentation is left out. */
function Marked({ text, wanted, isCase }: { text: string; wanted: string; isCase: boolean }) {
  const line = text.trimStart();
  const at = isCase ? line.indexOf(wanted) : line.toLowerCase().indexOf(wanted.toLowerCase());
  if (at < 0) return line;
  return (
    <>
      {at > FAR ? `…${line.slice(at - NEAR, at)}` : line.slice(0, at)}
      <mark>{line.slice(at, at + wanted.length)}</mark>
      {line.slice(at + wanted.length)}
    </>
  );
}
