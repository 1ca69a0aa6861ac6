import { Fragment, type KeyboardEvent, type PointerEvent, type ReactNode, useRef, useState } from "react";
import { useT } from "../i18n/messages";

const LEAST = 0.1;
const STEP = 0.05;

interface SplitPanesProps {
  ids: readonly string[];
  isHidden: boolean;
  children: (id: string) => ReactNode;
}

/** Panes side by side, with dividers that pointer and arrow keys move; hidden ones live on. */
export function SplitPanes({ ids, isHidden, children }: SplitPanesProps) {
  const t = useT();
  const row = useRef<HTMLDivElement>(null);
  const [shares, setShares] = useState<Record<string, number>>({});
  const shareOf = (id: string) => shares[id] ?? 1;
  const total = ids.reduce((sum, id) => sum + shareOf(id), 0);
  /** Moves the divider after a pane by a part of the whole row. */
  const move = (left: string, right: string, by: number) => {
    const both = shareOf(left) + shareOf(right);
    const least = LEAST * total;
    const next = Math.min(both - least, Math.max(least, shareOf(left) + by * total));
    setShares({ ...shares, [left]: next, [right]: both - next });
  };
  const onDrag = (left: string, right: string) => (event: PointerEvent) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || !row.current) return;
    move(left, right, event.movementX / row.current.clientWidth);
  };
  const onKey = (left: string, right: string) => (event: KeyboardEvent) => {
    const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(left, right, by);
  };
  return (
    <div className="split-panes" ref={row} hidden={isHidden}>
      {ids.map((id, index) => {
        const next = ids[index + 1];
        return (
          <Fragment key={id}>
            <div className="split-pane" style={{ flexGrow: shareOf(id) }}>
              {children(id)}
            </div>
            {next !== undefined && (
              <div
                className="split-divider"
                role="separator"
                tabIndex={0}
                aria-orientation="vertical"
                aria-label={t("terminal.split")}
                aria-valuenow={Math.round((shareOf(id) / total) * 100)}
                onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
                onPointerMove={onDrag(id, next)}
                onKeyDown={onKey(id, next)}
              />
            )}
          </Fragment>
        );
      })}
    </div>
  );
}
