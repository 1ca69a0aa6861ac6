import type { Capacity, Workspace, WorkspaceConfig } from "../../../api/types";
import { START } from "../../../shared/creationDraft";

const LONGEST = 50;
const LEAST = 0.5;

/** A name after a template that no workspace has: `python`, then `python-2`. */
export function freeName(template: string, workspaces: readonly Pick<Workspace, "name">[]): string {
  const taken = new Set(workspaces.map((one) => one.name));
  const stem = template.slice(0, LONGEST);
  let name = stem;
  for (let number = 2; taken.has(name); number += 1) name = `${stem}-${number}`;
  return name;
}

const half = (value: number): number => Math.floor(value * 2) / 2;

/** The usual value of a size, or as much as there is. */
const within = (usual: string, most: number | undefined): number =>
  most === undefined ? Number(usual) : Math.max(LEAST, Math.min(Number(usual), half(most)));

/** What a workspace gets that is made with one click: the usual sizes, or what the machine has. */
export function quickConfig(
  template: string,
  capacity: Capacity | null,
  workspaces: readonly Pick<Workspace, "name">[],
): WorkspaceConfig {
  return {
    name: freeName(template, workspaces),
    template,
    cpu: within(START.cpu, capacity?.cpu_total),
    memory: within(START.memory, capacity?.memory_total),
    storage: within(START.storage, capacity?.storage_free),
    packages: [],
  };
}
