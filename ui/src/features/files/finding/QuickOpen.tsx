import { type KeyboardEvent, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { useT } from "../../../shared/i18n/messages";
import { useStore } from "../../../shared/Store";
import { Modal } from "../../../ui/Modal";
import { EndName } from "../listing/EndName";
import { showHidden } from "../listing/showHidden";
import { HOME, shown } from "../paths";
import { best } from "./fuzzy";
import type { SearchEnd } from "./stream";
import { useFound } from "./useFound";

const MOST_NAMES = 20_000;
const MOST_SHOWN = 50;

interface QuickOpenProps {
  workspaceId: string;
  onOpen: (file: string) => void;
  onClose: () => void;
}

/** Opens a file of the home directory by a few letters of its name. */
export function QuickOpen({ workspaceId, onOpen, onClose }: QuickOpenProps) {
  const t = useT();
  const list = useId();
  const hidden = useStore(showHidden);
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const query = { limit: String(MOST_NAMES), hidden: hidden ? "1" : "0" };
  const { lines, end, problem } = useFound("files-names", workspaceId, HOME, query);
  const wanted = useDeferredValue(typed);
  const names = useMemo(
    () => new Map(lines.map(({ path }) => [shown(path).slice(HOME.length + 1), path])),
    [lines],
  );
  const found = useMemo(() => best([...names.keys()], wanted, MOST_SHOWN), [names, wanted]);
  const current = Math.min(at, found.length - 1);
  const active = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // It returns a promise in some browsers.
    void active.current?.scrollIntoView({ block: "nearest" });
  }, [current]);
  const open = (name: string | undefined) => {
    const path = name === undefined ? undefined : names.get(name);
    if (path === undefined) return;
    onClose();
    onOpen(path);
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt(Math.min(found.length - 1, Math.max(0, current + step)));
    else if (event.key === "Enter") open(found[current]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal isOpen onClose={onClose} title={t("files.quickOpen")} kind="palette">
      <input
        type="search"
        className="input"
        role="combobox"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={found.length > 0 ? `${list}-${current}` : undefined}
        aria-label={t("files.quickName")}
        placeholder={t("files.quickName")}
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <div className="quick-list" id={list} role="listbox" aria-label={t("files.names")}>
        {found.map((name, index) => (
          <div
            key={name}
            id={`${list}-${index}`}
            ref={index === current ? active : undefined}
            role="option"
            tabIndex={-1}
            aria-selected={index === current}
            onKeyDown={onKey}
            aria-label={name}
            onClick={() => open(name)}
          >
            <strong>
              <EndName name={name.slice(name.lastIndexOf("/") + 1)} />
            </strong>
            <span className="muted">{name.slice(0, Math.max(0, name.lastIndexOf("/")))}</span>
          </div>
        ))}
      </div>
      <p className="muted quick-foot" role="status">
        {problem ?? (end ? quickEnd(end, found.length) : t.count("files.quickReading", lines.length))}
      </p>
    </Modal>
  );

  function quickEnd({ complete, count }: SearchEnd, shownCount: number): string {
    if (shownCount === 0) return t("files.quickNone");
    return t.count(complete ? "files.quickOf" : "files.quickCut", count);
  }
}
