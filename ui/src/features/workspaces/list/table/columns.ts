import { keptStore } from "../../../../shared/Store";
import type { SortKey } from "../filter/sorting";

/** The columns that can be left out, in their order; name, status, action and menu are always there. */
export const COLUMNS = ["open", "cpu", "memory", "storage", "size", "used", "created"] as const;
export type Column = (typeof COLUMNS)[number];

const isColumn = (value: unknown): value is Column => COLUMNS.includes(value as Column);
const areColumns = (value: unknown): value is readonly Column[] =>
  Array.isArray(value) && value.every(isColumn);

const USUAL: readonly Column[] = ["open", "cpu", "memory", "storage", "used"];

/** The columns that somebody wants to see, in this browser. */
export const chosenColumns = keptStore("nixws.columns", USUAL, areColumns);

export const DENSITIES = ["comfortable", "compact"] as const;
export type Density = (typeof DENSITIES)[number];

const isDensity = (value: unknown): value is Density => DENSITIES.includes(value as Density);

export const densityStore = keptStore<Density>("nixws.density", "comfortable", isDensity);

/** Which columns can be sorted by; a column's name is that of its order. */
export const sortOf = (column: Column): SortKey | null => (column === "open" ? null : column);

/** Each column's least width in rem, and its share of what is left. */
const WIDTHS: Record<Column | "check" | "name" | "status" | "action" | "menu", readonly [number, number]> = {
  check: [2.5, 0],
  name: [9, 2.4],
  status: [7.5, 1],
  open: [7, 1.2],
  cpu: [7.5, 1],
  memory: [10.5, 1.1],
  storage: [8.5, 0.8],
  size: [8, 0.8],
  used: [5.5, 0.6],
  created: [8, 0.6],
  action: [6, 0],
  menu: [3, 0],
};

/** What is left out first where there is little room. */
const DISPENSABLE = ["created", "size", "storage", "open", "used", "memory", "cpu", "action"] as const;

export interface Fitted {
  columns: readonly Column[];
  hasAction: boolean;
  /** For `grid-template-columns`. */
  template: string;
}

/** The same columns are the same value, whatever the width: no row is made anew for a few pixels. */
const fits = new Map<string, Fitted>();

/** Those of the wanted columns for which there is room. */
export function fitted(wanted: readonly Column[], widthRem: number): Fitted {
  const left = new Set<Column | "action">([...wanted, "action"]);
  const all = () =>
    (["check", "name", "status", ...COLUMNS, "action", "menu"] as const).filter(
      (one) => (one !== "action" && !isColumn(one)) || left.has(one),
    );
  const least = () => all().reduce((sum, one) => sum + WIDTHS[one][0], 0);
  for (const one of DISPENSABLE) {
    if (least() <= widthRem) break;
    left.delete(one);
  }
  const template = all()
    .map((one) => {
      const [width, share] = WIDTHS[one];
      return share > 0 ? `minmax(${width}rem, ${share}fr)` : `${width}rem`;
    })
    .join(" ");
  const fit = { columns: COLUMNS.filter((one) => left.has(one)), hasAction: left.has("action"), template };
  const key = `${fit.columns.join()} ${fit.hasAction}`;
  const known = fits.get(key) ?? fit;
  fits.set(key, known);
  return known;
}
