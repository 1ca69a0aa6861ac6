import { isOrder, type Order } from "./listing/order";

/** What of the files stands in the address. */
export interface FilesSearch {
  /** The directory; percent-encoded, as all paths. */
  path?: string;
  order?: Order;
  /** The file that is open, and the line to go to. */
  file?: string;
  line?: number;
  /** Shown as it is meant rather than as it is written. */
  rendered?: true;
  /** The text that is looked for below the directory. */
  find?: string;
}

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;

/** Reads an address; what makes no sense is left out. */
export function filesSearchOf(search: Record<string, unknown>): FilesSearch {
  const { path, file, line, order } = search;
  const find = textOf(search.find);
  return {
    ...(typeof path === "string" && { path }),
    ...(isOrder(order) && order !== "name" && { order }),
    ...(typeof file === "string" && { file }),
    ...(Number.isInteger(line) && (line as number) > 0 && { line: line as number }),
    ...(search.rendered === true && { rendered: true as const }),
    ...(find !== undefined && { find }),
  };
}
