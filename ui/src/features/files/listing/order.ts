import type { Entry } from "../api";

export const ORDERS = ["name", "-name", "size", "-size", "modified", "-modified"] as const;
/** How a directory is sorted; a minus turns it round. It stands in the address. */
export type Order = (typeof ORDERS)[number];
export type OrderKey = "name" | "size" | "modified";

export const isOrder = (value: unknown): value is Order => ORDERS.includes(value as Order);

/** What a click on a column's head makes of the order: largest and newest come first, names from A. */
export function turned(order: Order, key: OrderKey): Order {
  const first: Order = key === "name" ? "name" : `-${key}`;
  const second: Order = key === "name" ? "-name" : key;
  return order === first ? second : first;
}

export const keyOf = (order: Order): OrderKey => order.replace("-", "") as OrderKey;

const group = (one: Entry): number => (one.type === "directory" ? 0 : 1);

/** The entries in an order; directories come first in each, names with numbers by the numbers. */
export function ordered(entries: readonly Entry[], order: Order, locale: string): Entry[] {
  const { compare } = new Intl.Collator(locale, { numeric: true });
  const byName = (one: Entry, other: Entry) => compare(one.name, other.name);
  const by: Record<OrderKey, (one: Entry, other: Entry) => number> = {
    name: byName,
    size: (one, other) => one.size - other.size || byName(one, other),
    modified: (one, other) => one.modified.localeCompare(other.modified) || byName(one, other),
  };
  const direction = order.startsWith("-") ? -1 : 1;
  const key = keyOf(order);
  return entries.toSorted((one, other) => group(one) - group(other) || direction * by[key](one, other));
}
