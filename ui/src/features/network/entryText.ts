import type { WantedEntry } from "../../api/network";
import type { Denied, Entry } from "./api";

/** The ports of an entry as they are typed; empty for all. */
export const portsText = (ports: readonly (number | string)[]): string => ports.join(", ");

/** What lets a refused connection out: its name where one was asked for, with the port where that is known. */
export function allowing({ name, address, port, protocol }: Denied): WantedEntry | null {
  const ports = port > 0 && protocol !== "dns" ? [port] : [];
  if (name) return { name, ports };
  return address ? { cidr: `${address}/${address.includes(":") ? 128 : 32}`, ports } : null;
}

const targetOf = ({ name, cidr }: WantedEntry): string => name ?? cidr ?? "";

/** The entry of a list that lets another out, all ports of it or the same ones; undefined if there is none. */
export const covering = <T extends WantedEntry | Entry>(
  list: readonly T[],
  entry: WantedEntry,
): T | undefined =>
  list.find(
    (one) =>
      (one.name ?? one.cidr) === targetOf(entry) &&
      (one.ports.length === 0 || portsText(one.ports) === portsText(entry.ports)),
  );

/** A list with one more; an equal entry, whatever its end, is replaced. */
export function withEntry(list: readonly WantedEntry[], entry: WantedEntry): WantedEntry[] {
  const isSame = (one: WantedEntry) =>
    targetOf(one) === targetOf(entry) && portsText(one.ports) === portsText(entry.ports);
  return [...list.filter((one) => !isSame(one)), entry];
}
