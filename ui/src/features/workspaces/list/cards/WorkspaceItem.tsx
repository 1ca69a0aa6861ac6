import { Folder, Play, Square, SquareTerminal, X, type LucideIcon } from "lucide-react";
import type { MouseEvent } from "react";
import { useAbilities } from "../../../../api/abilities";
import type { Workspace, WorkspaceAction } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { IconButton } from "../../../../ui/IconButton";
import { MiddleText } from "../../../../ui/MiddleText";
import { StatusWord } from "../../StatusWord";
import { MoreButton } from "../MoreButton";
import { OpenTags } from "../OpenTags";
import { StatusNote } from "../StatusNote";
import { UseBar } from "../UseBar";
import { useListUsage, useRowWatch } from "../usage";

export interface WorkspaceItemProps {
  workspace: Workspace;
  onSelect: (workspace: Workspace) => void;
  onAction: (action: WorkspaceAction) => void;
}

/** What has a button of its own in the states where it can be done; the menu says of the rest why not. */
const QUICK: readonly [WorkspaceAction, LucideIcon][] = [
  ["terminal", SquareTerminal],
  ["files", Folder],
  ["start", Play],
  ["resume", Play],
  ["stop", Square],
  ["cancel", X],
];

/** One workspace as a card: how it does, what it uses, and what is done with it most. */
export function WorkspaceItem({ workspace, onSelect, onAction }: WorkspaceItemProps) {
  const t = useT();
  const { name, status } = workspace;
  const why = useAbilities();
  useRowWatch(workspace);
  const usage = useListUsage(workspace);
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onSelect(workspace);
  };
  const quick = (action: WorkspaceAction, icon: LucideIcon) => (
    <IconButton
      key={action}
      icon={icon}
      label={t("action.of", { action: t(`action.${action}`), name })}
      onClick={() => onAction(action)}
    />
  );
  return (
    <article className="workspace-item" aria-label={name} data-status={status}>
      <a className="workspace-item-name" href={`/workspaces/${workspace.id}`} onClick={follow}>
        <MiddleText text={name} />
      </a>
      <StatusWord status={status} />
      <div className="workspace-item-about">
        <span className="cell-note">{workspace.template}</span>
        <StatusNote workspace={workspace} />
        <OpenTags workspace={workspace} />
      </div>
      <div className="workspace-item-use">
        <UseBar kind="cpu" usage={usage} workspace={workspace} />
      </div>
      <div className="workspace-item-actions">
        {QUICK.map(([action, icon]) => why(workspace, action) === undefined && quick(action, icon))}
        <MoreButton workspace={workspace} onAction={onAction} />
      </div>
    </article>
  );
}
