import type { Status, WorkspaceAction } from "../../../api/types";
import type { MessageKey } from "../../../shared/i18n/en";

export interface Primary {
  label: MessageKey;
  /** undefined: the workspace's page is the answer. */
  action?: WorkspaceAction;
}

const PRIMARY: Record<Status, Primary | null> = {
  running: { label: "action.open", action: "terminal" },
  creating: { label: "action.watch" },
  starting: { label: "action.watch" },
  paused: { label: "action.resume", action: "resume" },
  stopped: { label: "action.start", action: "start" },
  error: { label: "action.why" },
  stopping: null,
  deleting: null,
};

/** The one thing that is most likely wanted of a workspace now; null while it comes to rest. */
export const primaryOf = (status: Status): Primary | null => PRIMARY[status];
