import type { RefObject } from "react";
import type { Workspace, WorkspaceAction } from "../../../api/types";
import type { RowsHandle } from "./useRoving";
import type { Selection } from "./useSelection";

/** What both layouts of the list are given. */
export interface RowsProps {
  shown: readonly Workspace[];
  selection: Selection;
  onSelect: (workspace: Workspace) => void;
  onAction: (action: WorkspaceAction, workspace: Workspace) => void;
  /** Somebody goes up from the first of them. */
  onLeave: () => void;
  handle: RefObject<RowsHandle | null>;
}
