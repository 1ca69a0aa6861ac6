import { useQuery } from "@tanstack/react-query";
import type { MessageKey } from "../shared/i18n/en";
import { useT } from "../shared/i18n/messages";
import { sessionQuery } from "./queries";
import type { Session, Status, WorkspaceAction, WorkspaceVerb } from "./types";

/** Which verbs make sense in a state. */
const VERBS: Record<Status, readonly WorkspaceVerb[]> = {
  creating: ["delete"],
  starting: ["stop", "delete"],
  running: ["stop", "restart", "pause", "delete"],
  paused: ["resume", "stop", "delete"],
  stopping: ["delete"],
  stopped: ["start", "delete"],
  deleting: [],
  error: ["start", "stop", "delete"],
};

interface Asked {
  status: Status;
  /** Of the reader; without it, the owner's. */
  relation?: string;
}

/** What can be asked of a workspace, each with the reason why it cannot be now; null for what can. */
export type Abilities = Readonly<Record<WorkspaceAction, MessageKey | null>>;

/** In which states something can be asked; what is not named can be asked always. */
const inStates = (status: Status, ...states: readonly Status[]): MessageKey | null =>
  states.includes(status) ? null : `cannot.${status}`;

/** Who may only look at what is shared with them. */
export const LOOKING: ReadonlySet<string> = new Set(["reader", "viewer", "typist", "watcher", "visitor"]);

/** Roles that make no workspace. */
const MAKING_NONE: ReadonlySet<string> = new Set(["guest", "auditor"]);

/** Whether somebody may make workspaces. */
export const mayCreate = (session: Session | null | undefined): boolean =>
  !MAKING_NONE.has(session?.role ?? "");

/** Whether somebody has an account: a guest came by a link, and reaches what that shares and nothing else. */
export const hasAccount = (session: Session | null | undefined): boolean => session?.role !== "guest";

/** Who is signed in, as far as it is known. */
export const useSession = (): Session | null | undefined => useQuery(sessionQuery).data;

/** What somebody may ask of a workspace now. The service is the judge; this says beforehand what it would say. */
export function abilitiesOf({ status, relation = "owner" }: Asked, session: Session | null): Abilities {
  const verb = (one: WorkspaceVerb): MessageKey | null =>
    !session
      ? "cannot.signedOut"
      : LOOKING.has(relation) || (one === "delete" && relation === "editor")
        ? "cannot.shared"
        : VERBS[status].includes(one)
          ? null
          : `cannot.${status}`;
  return {
    start: verb("start"),
    stop: verb("stop"),
    restart: verb("restart"),
    pause: verb("pause"),
    resume: verb("resume"),
    delete: verb("delete"),
    cancel: status === "creating" ? verb("delete") : `cannot.${status}`,
    terminal: inStates(status, "running"),
    files: inStates(status, "running"),
    logs: null,
    settings: null,
  };
}

/** Says of a workspace why something cannot be asked of it now; undefined where it can. */
export function useAbilities(): (workspace: Asked, action: WorkspaceAction) => string | undefined {
  const t = useT();
  const session = useSession() ?? null;
  return (workspace, action) => {
    const reason = abilitiesOf(workspace, session)[action];
    return reason === null ? undefined : t(reason);
  };
}

/** The verb that makes a workspace run; null where none does. */
export const wakeVerb = (status: Status): "start" | "resume" | null =>
  status === "paused" ? "resume" : VERBS[status].includes("start") ? "start" : null;
