import {
  Fragment,
  type CSSProperties,
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useRef,
} from "react";
import type { LayoutNode } from "../../../api/layouts";
import { useT } from "../../../shared/i18n/messages";
import { useMedia } from "../../../shared/useMedia";
import { type Divider, placesOf, type Rect } from "./places";

const STEP = 0.05;
const NARROW = "(width < 720px)";
const HALF = "var(--divider-half)";

interface PanesProps {
  /** What stands in the tab in front. */
  tab: LayoutNode | undefined;
  /** The terminals that are kept alive, in this tab or another. */
  ids: readonly string[];
  onResize: (first: string, second: string, by: number) => void;
  children: (id: string) => ReactNode;
}

const percent = (part: number): string => `${part * 100}%`;

const edge = (at: number): string => (at > 0.0001 && at < 0.9999 ? HALF : "0px");

/** A pane's edges; where it meets another, half of the divider is left free. */
function boxOf({ left, top, width, height }: Rect): CSSProperties {
  return {
    insetInlineStart: `calc(${percent(left)} + ${edge(left)})`,
    insetBlockStart: `calc(${percent(top)} + ${edge(top)})`,
    inlineSize: `calc(${percent(width)} - ${edge(left)} - ${edge(left + width)})`,
    blockSize: `calc(${percent(height)} - ${edge(top)} - ${edge(top + height)})`,
  };
}

/**
 * The terminals of a tab, each where the layout has it, with dividers that pointer and arrow keys move. All lie in one
 * list whatever splits they are in: moving one never takes it off the page, and those of other tabs live on.
 */
export function Panes({ tab, ids, onResize, children }: PanesProps) {
  const room = useRef<HTMLDivElement>(null);
  const isNarrow = useMedia(NARROW);
  const { panes, dividers } = tab
    ? placesOf(tab, isNarrow)
    : { panes: new Map<string, Rect>(), dividers: [] };
  return (
    <div className="split-panes" ref={room}>
      {ids.map((id) => {
        const place = panes.get(id);
        return (
          <div key={id} className="split-pane" hidden={!place} style={place && boxOf(place)}>
            {children(id)}
          </div>
        );
      })}
      {dividers.map((divider) => (
        <Fragment key={`${divider.first} ${divider.second}`}>
          <DividerBar
            divider={divider}
            onMove={(pixels) => {
              const { clientWidth = 1, clientHeight = 1 } = room.current ?? {};
              const whole = divider.direction === "row" ? clientWidth : clientHeight;
              onResize(divider.first, divider.second, pixels / (whole * divider.span));
            }}
            onStep={(by) => onResize(divider.first, divider.second, by)}
          />
        </Fragment>
      ))}
    </div>
  );
}

interface BarProps {
  divider: Divider;
  onMove: (pixels: number) => void;
  onStep: (by: number) => void;
}

function DividerBar({ divider, onMove, onStep }: BarProps) {
  const t = useT();
  const isRow = divider.direction === "row";
  const { left, top, width, height } = divider.at;
  const onDrag = (event: PointerEvent) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId))
      onMove(isRow ? event.movementX : event.movementY);
  };
  const onKey = (event: KeyboardEvent) => {
    const keys: Partial<Record<string, number>> = isRow
      ? { ArrowLeft: -STEP, ArrowRight: STEP }
      : { ArrowUp: -STEP, ArrowDown: STEP };
    const by = keys[event.key];
    if (by === undefined) return;
    event.preventDefault();
    onStep(by);
  };
  const thick = `calc(2 * ${HALF})`;
  return (
    <div
      className="split-divider"
      role="separator"
      tabIndex={0}
      aria-orientation={isRow ? "vertical" : "horizontal"}
      aria-label={t("terminal.divider")}
      aria-valuenow={divider.percent}
      style={{
        insetInlineStart: isRow ? `calc(${percent(left)} - ${HALF})` : percent(left),
        insetBlockStart: isRow ? percent(top) : `calc(${percent(top)} - ${HALF})`,
        inlineSize: isRow ? thick : percent(width),
        blockSize: isRow ? percent(height) : thick,
      }}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={onDrag}
      onKeyDown={onKey}
    />
  );
}
