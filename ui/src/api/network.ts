import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Mode = Schemas["NetworkMode"];
export type NetworkBounds = Schemas["NetworkBounds"];

/** An entry as it is asked for: what is left out of a name and a range is not there. */
export interface WantedEntry {
  name?: string;
  cidr?: string;
  ports: (number | string)[];
  expires_at?: string | null;
}

export const MODES: readonly Mode[] = ["open", "balanced", "locked", "none", "observe"];

const WIDTH: Record<Mode, number> = { none: 0, locked: 1, balanced: 2, open: 3, observe: 3 };

/** Whether a mode lets out more than another; `observe` is as wide as `open`. */
export const isWider = (one: Mode, other: Mode): boolean => WIDTH[one] > WIDTH[other];

/** What bounds the networks of all workspaces. */
export const boundsQuery = queryOptions({
  queryKey: ["network"],
  queryFn: ({ signal }) => request<NetworkBounds>("GET", "/api/nixos/network", { signal }),
});

const PORT = /^\d{1,5}$/;

/** Reads `NAME`, `NAME:443`, `192.0.2.0/24:80,8000-8999` or `[2001:db8::]/32:53`; null where there is nothing. */
export function entryOf(text: string): WantedEntry | null {
  const whole = text.trim();
  if (!whole) return null;
  const isBracketed = whole.includes("]");
  const rest = isBracketed ? whole.slice(whole.indexOf("]")) : whole;
  const hasPorts = isBracketed ? rest.includes(":") : rest.split(":").length === 2;
  const end = hasPorts ? whole.lastIndexOf(":") : whole.length;
  const target = whole.slice(0, end).replaceAll(/[[\]]/g, "");
  const ports = hasPorts ? whole.slice(end + 1).split(",") : [];
  const isRange = /[/:]/.test(target) || /(^|\.)(\d+|0x[\da-f]+)$/i.test(target);
  return {
    ...(isRange ? { cidr: target } : { name: target }),
    ports: ports.map((port) => (PORT.test(port.trim()) ? Number(port) : port.trim())),
  };
}
