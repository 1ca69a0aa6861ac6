import type { MessageKey } from "../shared/i18n/en";
import type { Entry } from "../shared/entries";
import type { Translate } from "../shared/i18n/messages";
import type { Session, Workspace, WorkspaceVerb } from "./types";

/** The groups of the palette, in the order in which they stand. */
export const GROUPS = ["recent", "here", "workspaces", "actions", "pages", "look"] as const;
export type Group = (typeof GROUPS)[number];

export const groupText = (group: Group): MessageKey => `palette.group.${group}`;

/** Something that the palette offers. */
export interface Command extends Entry {
  group: Exclude<Group, "recent">;
  /** The key that does the same, as the sheet of keys writes it. */
  keys?: string;
  /** Why it cannot be done now. */
  reason?: string | undefined;
  /** It is offered only once something is typed: there are many of its kind. */
  isMany?: boolean;
}

/** What commands are made of, and what they act through. */
export interface CommandScope {
  t: Translate;
  workspaces: readonly Workspace[];
  /** The workspace that is open. */
  here: Workspace | null;
  session: Session | null;
  /** Goes to a page, or to a part of a workspace. */
  go: (path: string) => void;
  perform: (verb: Exclude<WorkspaceVerb, "delete">, workspace: Workspace) => void;
  create: () => void;
}

/** A feature's commands: each feature gives its own to the palette. */
export type CommandSource = (scope: CommandScope) => readonly Command[];

/** The commands that lead to one part of each workspace, first of the one that is open. */
export function partCommands(
  { t, workspaces, here, go }: CommandScope,
  part: { id: string; text: string; path: string; reason?: (workspace: Workspace) => string | undefined },
): Command[] {
  const of = (workspace: Workspace, isHere: boolean): Command => ({
    id: `${part.id}-${workspace.id}`,
    group: isHere ? "here" : "workspaces",
    text: isHere ? part.text : t("action.of", { action: part.text, name: workspace.name }),
    reason: part.reason?.(workspace),
    isMany: !isHere,
    run: () => go(`/workspaces/${workspace.id}${part.path}`),
  });
  const others = workspaces.filter((one) => one !== here).map((one) => of(one, false));
  return here ? [of(here, true), ...others] : others;
}
