import { ClipboardCopy, Columns2, Pencil, Plus, Rows2, Search, Settings, X } from "lucide-react";
import { type FormEvent, type PointerEvent, type RefObject, useRef, useState } from "react";
import type { Direction, LayoutNode } from "../../../api/layouts";
import { useT } from "../../../shared/i18n/messages";
import { IconButton } from "../../../ui/IconButton";
import { terminalsOf } from "./layout";

interface TerminalTabsProps {
  tabs: readonly LayoutNode[];
  current: LayoutNode | undefined;
  front: string | undefined;
  nameOf: (id: string) => string;
  /** What else there is to say of a terminal: where it is, how many windows show it. */
  noteOf: (id: string) => string;
  isOpening: boolean;
  /** The terminal in front can be searched, and its output copied. */
  isAlive: boolean;
  /** The terminal whose name is typed just now. */
  renaming: string | null;
  newButton: RefObject<HTMLButtonElement | null>;
  onChoose: (id: string) => void;
  onClose: (id: string) => void;
  /** Puts a tab at another place, counted from 0. */
  onMove: (id: string, to: number) => void;
  onRenaming: (id: string | null) => void;
  onRename: (id: string, name: string) => void;
  onNew: () => void;
  onSplit: (direction: Direction) => void;
  onFind: () => void;
  onCopyOutput: () => void;
  onSettings: () => void;
}

// A click leaves the focus in the terminal: who closes the settings types on there.
const keepFocus = (event: PointerEvent): void => event.preventDefault();
const MOVES: Partial<Record<string, -1 | 1>> = { ArrowLeft: -1, ArrowRight: 1 };

/** So far the pointer goes before a press is no click any more. */
const DRAG_PX = 6;

/** The place of a dragged tab: behind those others whose middle the pointer has passed, which it does not pass again. */
function placeAt(row: HTMLElement, id: string, x: number): number {
  const isMirrored = getComputedStyle(row).direction === "rtl";
  const others = [...row.children].filter(
    (tab) => tab.querySelector<HTMLElement>("[data-terminal]")?.dataset.terminal !== id,
  );
  return others.filter((tab) => {
    const { left, width } = tab.getBoundingClientRect();
    return isMirrored ? x < left + width / 2 : x > left + width / 2;
  }).length;
}

/** Moves a tab along with mouse or pen; a finger scrolls the row instead. The row is what hears it: tabs change places. */
function useTabDrag(onMove: (id: string, to: number) => void, onChoose: (id: string) => void) {
  const start = useRef<{ id: string; x: number } | null>(null);
  const [dragged, setDragged] = useState<string | null>(null);
  const end = () => {
    start.current = null;
    setDragged(null);
  };
  const handlers = {
    onPointerDown: (event: PointerEvent<HTMLElement>) => {
      const name = event.target instanceof Element && event.target.closest<HTMLElement>("[data-terminal]");
      if (!name || event.button !== 0 || event.pointerType === "touch") return;
      start.current = { id: name.dataset.terminal ?? "", x: event.clientX };
    },
    onPointerMove: (event: PointerEvent<HTMLElement>) => {
      if (!start.current) return;
      const { id, x } = start.current;
      if (dragged === null) {
        if (Math.abs(event.clientX - x) < DRAG_PX) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDragged(id);
        onChoose(id);
      }
      onMove(id, placeAt(event.currentTarget, id, event.clientX));
    },
    onPointerUp: end,
    onLostPointerCapture: end,
  };
  return { dragged, handlers };
}

/** The terminals by name, and what can be done with them. */
export function TerminalTabs(props: TerminalTabsProps) {
  const t = useT();
  const { tabs, current, front, nameOf, noteOf, isOpening, renaming, newButton } = props;
  const isMissing = front === undefined;
  const { dragged, handlers } = useTabDrag(props.onMove, props.onChoose);
  return (
    <div className="terminal-tabs">
      <ul {...handlers}>
        {tabs.map((tab, at) => {
          const ids = terminalsOf(tab);
          const id = ids.includes(front ?? "") ? (front ?? "") : (ids[0] ?? "");
          const name = ids.map(nameOf).join(" | ");
          return (
            <li
              key={ids[0]}
              className="terminal-tab"
              data-current={tab === current}
              data-dragged={dragged !== null && ids.includes(dragged)}
            >
              {renaming === id ? (
                <NameForm
                  start={nameOf(id)}
                  onSave={(to) => props.onRename(id, to)}
                  onEnd={() => props.onRenaming(null)}
                />
              ) : (
                <button
                  type="button"
                  className="terminal-tab-name"
                  data-terminal={id}
                  aria-pressed={tab === current}
                  onClick={() => props.onChoose(id)}
                  onDoubleClick={() => props.onRenaming(id)}
                  onKeyDown={(event) => {
                    const by = MOVES[event.key];
                    if (event.altKey && by) {
                      event.preventDefault();
                      props.onMove(id, Math.max(0, at + by));
                    }
                  }}
                  title={[name, ...ids.map(noteOf)].filter(Boolean).join("\n")}
                >
                  {name}
                </button>
              )}
              <button
                type="button"
                className="icon-button"
                aria-label={t("terminal.close", { name: nameOf(id) })}
                onClick={() => props.onClose(id)}
              >
                <X aria-hidden size={14} />
              </button>
            </li>
          );
        })}
      </ul>
      <div
        className="terminal-tools"
        role="toolbar"
        aria-label={t("terminal.tools")}
        onPointerDown={keepFocus}
      >
        <IconButton
          ref={newButton}
          icon={Plus}
          label={t("terminal.new")}
          disabled={isOpening}
          onClick={props.onNew}
        />
        <IconButton
          icon={Columns2}
          label={t("terminal.split")}
          disabled={isOpening || isMissing}
          onClick={() => props.onSplit("row")}
        />
        <IconButton
          icon={Rows2}
          label={t("terminal.splitDown")}
          disabled={isOpening || isMissing}
          onClick={() => props.onSplit("column")}
        />
        <IconButton
          icon={Search}
          label={t("terminal.findOpen")}
          disabled={!props.isAlive}
          onClick={props.onFind}
        />
        <IconButton
          icon={ClipboardCopy}
          label={t("terminal.copyLast")}
          disabled={!props.isAlive}
          onClick={props.onCopyOutput}
        />
        <IconButton
          icon={Pencil}
          label={t("terminal.rename")}
          disabled={isMissing}
          onClick={() => props.onRenaming(front ?? null)}
        />
        <IconButton icon={Settings} label={t("terminal.settings")} onClick={props.onSettings} />
      </div>
    </div>
  );
}

interface NameFormProps {
  start: string;
  onSave: (name: string) => void;
  onEnd: () => void;
}

function NameForm({ start, onSave, onEnd }: NameFormProps) {
  const t = useT();
  const [name, setName] = useState(start);
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) onSave(name.trim());
    onEnd();
  };
  return (
    <form onSubmit={save}>
      <input
        // Renaming was asked for: the next key is the name, in the place of the present one.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onFocus={(event) => event.target.select()}
        aria-label={t("terminal.name")}
        value={name}
        onChange={(event) => setName(event.target.value)}
        maxLength={60}
        onBlur={onEnd}
        onKeyDown={(event) => event.key === "Escape" && onEnd()}
      />
    </form>
  );
}
