import type { ISearchOptions, SearchAddon } from "@xterm/addon-search";
import { ArrowDown, ArrowUp, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useState } from "react";
import { useT } from "../../../shared/i18n/messages";
import { number } from "../../../shared/format";
import { IconButton } from "../../../ui/IconButton";

interface FindBarProps {
  search: SearchAddon;
  onClose: () => void;
}

interface Results {
  /** The one in view, from 0; negative where nobody counts so far. */
  index: number;
  count: number;
}

// xterm counts matches only where it marks them. These read on the ground of every scheme.
const MARKED: ISearchOptions = {
  decorations: {
    matchBackground: "#6b5a1e",
    matchOverviewRuler: "#e2ac55",
    activeMatchBackground: "#b3591e",
    activeMatchColorOverviewRuler: "#ff9d5c",
  },
};

/** Finds in what a terminal has printed; Enter goes back, Shift+Enter forth. It takes room of its own, no line's. */
export function FindBar({ search, onClose }: FindBarProps) {
  const t = useT();
  const [text, setText] = useState("");
  const [results, setResults] = useState<Results>({ index: -1, count: 0 });
  useEffect(() => {
    const listening = search.onDidChangeResults(({ resultIndex, resultCount }) =>
      setResults({ index: resultIndex, count: resultCount }),
    );
    return () => listening.dispose();
  }, [search]);
  const find = (wanted: string, isForward: boolean) => {
    if (wanted === "") search.clearDecorations();
    else if (isForward) search.findNext(wanted, MARKED);
    else search.findPrevious(wanted, MARKED);
    if (wanted === "") setResults({ index: -1, count: 0 });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onClose();
    else if (event.key === "Enter") find(text, event.shiftKey);
    else return;
    event.preventDefault();
  };
  const isMissing = text !== "" && results.count === 0;
  const said = () => {
    if (text === "") return "";
    if (isMissing) return t("terminal.foundNone");
    const count = number(results.count, t.locale);
    return results.index < 0
      ? t("terminal.foundMany", { count })
      : t("terminal.found", { index: number(results.index + 1, t.locale), count });
  };
  return (
    <search className="find-bar">
      <input
        type="search"
        // The bar opens by a key: the next key is what to find.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        aria-label={t("terminal.find")}
        aria-invalid={isMissing}
        placeholder={t("terminal.find")}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          find(event.target.value, false);
        }}
        onKeyDown={onKeyDown}
      />
      <span className="find-count" role="status">
        {said()}
      </span>
      <IconButton icon={ArrowUp} label={t("terminal.previous")} onClick={() => find(text, false)} />
      <IconButton icon={ArrowDown} label={t("terminal.next")} onClick={() => find(text, true)} />
      <IconButton icon={X} label={t("app.close")} onClick={onClose} />
    </search>
  );
}
