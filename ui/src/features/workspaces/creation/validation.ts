import type { MessageKey } from "../../../shared/i18n/en";
import type { Capacity, Workspace } from "../../../api/types";

/** The same rules as the service's; it stays the judge. */
const NAME = /^(?!ws-)(?![0-9]+$)(?!create$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const PACKAGE = /^[A-Za-z_][A-Za-z0-9_'-]*(\.[A-Za-z0-9_][A-Za-z0-9_'-]*){0,4}$/;

export const SIZES = ["cpu", "memory", "storage"] as const;
export type SizeName = (typeof SIZES)[number];

export interface Range {
  min: number;
  /** null where the machine does not say. */
  max: number | null;
}

const LEAST = 0.25;

export const isPackageName = (text: string): boolean => text.length <= 128 && PACKAGE.test(text);

/** What is wrong with the name of a new workspace, if anything. */
export function nameProblem(name: string, workspaces: readonly Pick<Workspace, "name">[]): MessageKey | null {
  if (!NAME.test(name)) return "create.nameInvalid";
  return workspaces.some((one) => one.name === name) ? "create.nameTaken" : null;
}

export function limitsOf(capacity: Capacity | null): Record<SizeName, Range> {
  return {
    cpu: { min: LEAST, max: capacity?.cpu_total ?? null },
    memory: { min: LEAST, max: capacity?.memory_total ?? null },
    storage: { min: LEAST, max: capacity?.storage_free ?? null },
  };
}

/** Whether a typed size is no number, or none within its limits. */
export function sizeProblem(text: string, { min, max }: Range): boolean {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return !Number.isFinite(value) || value < min || (max !== null && value > max);
}

/** TCP ports out of a text; null if any part of it is none. */
export function portsOf(text: string): number[] | null {
  const words = text.split(/[\s,;]+/).filter(Boolean);
  const ports = words.map((word) => (/^\d{1,5}$/.test(word) ? Number(word) : 0));
  return ports.every((port) => port >= 1 && port <= 65_535)
    ? [...new Set(ports)].toSorted((a, b) => a - b)
    : null;
}
