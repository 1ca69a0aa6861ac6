import { queryOf } from "./query";
import { sortingOf, sortText } from "./sorting";

export const LAYOUTS = ["table", "cards"] as const;
export type Layout = (typeof LAYOUTS)[number];

const isLayout = (value: unknown): value is Layout => LAYOUTS.includes(value as Layout);

/** What of the list stands in the address, so that it can be kept, sent and gone back to. */
export interface ListSearch {
  /** The filter, all of it: words and terms such as `status:running`. */
  q?: string;
  /** The order, such as `cpu`, or `-name` the other way round. */
  sort?: string;
  /** How it is laid out; else as this browser last had it. */
  view?: Layout;
  /** The form for a new one is open. */
  new?: true;
}

/** Reads an address whatever stands in it; writes only what differs from the usual. */
export function searchOf(search: Record<string, unknown>): ListSearch {
  const q = queryOf(search);
  const sort = sortText(sortingOf(search.sort));
  return {
    ...(q && { q }),
    ...(sort && { sort }),
    ...(isLayout(search.view) && { view: search.view }),
    ...((search.new === true || search.new === "true") && { new: true as const }),
  };
}
