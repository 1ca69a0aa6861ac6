import { Ellipsis, FileText, Settings, Trash2, type LucideIcon } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useAbilities } from "../../../api/abilities";
import type { Workspace, WorkspaceAction } from "../../../api/types";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { more } from "../../../shared/i18n/more.en";
import { MenuItem } from "../../../ui/MenuItem";
import { MenuPortal } from "../../../ui/MenuPortal";

addEnglish(more);

interface MoreActionsProps {
  label: string;
  tabIndex?: number;
  actions: readonly { action: WorkspaceAction; icon: LucideIcon }[];
  workspace: Pick<Workspace, "status">;
  onAction: (action: WorkspaceAction) => void;
}

/** The menu of what is done with a workspace less often; open when it is first shown. */
export default function MoreActions({ label, tabIndex = 0, actions, workspace, onAction }: MoreActionsProps) {
  const t = useT();
  const why = useAbilities();
  const item = (action: WorkspaceAction, icon: LucideIcon) => (
    <MenuItem
      key={action}
      icon={icon}
      isDangerous={action === "delete"}
      reason={why(workspace, action)}
      onSelect={() => onAction(action)}
    >
      {t(`action.${action}`)}
    </MenuItem>
  );
  return (
    <DropdownMenu.Root modal={false} defaultOpen>
      <DropdownMenu.Trigger className="icon-button" tabIndex={tabIndex} aria-label={label}>
        <Ellipsis aria-hidden size={16} />
      </DropdownMenu.Trigger>
      <MenuPortal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {actions.map(({ action, icon }) => item(action, icon))}
          {item("logs", FileText)}
          {item("settings", Settings)}
          <DropdownMenu.Separator className="menu-separator" />
          {item("delete", Trash2)}
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
}
