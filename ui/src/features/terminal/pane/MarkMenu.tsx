import { useEffect, useRef } from "react";
import { duration } from "../../../shared/format";
import { useT } from "../../../shared/i18n/messages";
import { Button } from "../../../ui/Button";
import type { Command } from "./CommandMarks";

const SECOND = 1_000;

export interface ChosenMark {
  command: Command;
  copyOutput: () => string;
  /** Where its mark is, in pixels from the top. */
  y: number;
}

/** What can be done with one command: it lies beside its mark until something else is done. */
export function MarkMenu({ mark, onClose }: { mark: ChosenMark; onClose: () => void }) {
  const t = useT();
  const menu = useRef<HTMLDivElement>(null);
  const { command, copyOutput, y } = mark;
  useEffect(() => {
    menu.current?.querySelector("button")?.focus();
    const onPointer = (event: Event) => {
      if (!menu.current?.contains(event.target as Node)) onClose();
    };
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && onClose();
    addEventListener("pointerdown", onPointer, true);
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("pointerdown", onPointer, true);
      removeEventListener("keydown", onKey);
    };
  }, [onClose]);
  const copy = (text: string) => {
    void navigator.clipboard.writeText(text);
    onClose();
  };
  return (
    <div
      ref={menu}
      className="mark-menu"
      role="dialog"
      aria-label={command.text || t("terminal.command")}
      style={{ insetBlockStart: `min(${y}px, 100% - 9rem)` }}
    >
      {command.text && <code>{command.text}</code>}
      <p className="muted">
        {command.code === null
          ? t("terminal.commandRuns")
          : t("terminal.commandCode", { code: command.code })}
        {command.milliseconds !== null &&
          command.milliseconds >= SECOND &&
          ` · ${duration(command.milliseconds, t.locale)}`}
      </p>
      <div className="mark-actions">
        <Button isSmall onClick={() => copy(copyOutput())}>
          {t("terminal.copyOutput")}
        </Button>
        <Button isSmall onClick={() => copy(command.text)}>
          {t("terminal.copyCommand")}
        </Button>
      </div>
    </div>
  );
}
