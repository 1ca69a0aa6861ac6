import { Ellipsis, FileText, Settings, Trash2, type LucideIcon } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { WorkspaceAction } from "../api/types";
import { useT } from "../i18n/messages";
import { MenuPortal } from "../shared/MenuPortal";

interface MoreActionsProps {
  label: string;
  actions: readonly { action: WorkspaceAction; icon: LucideIcon }[];
  isDeletable: boolean;
  onAction: (action: WorkspaceAction) => void;
}

/** The menu of what is done with a workspace less often; open when it is first shown. */
export default function MoreActions({ label, actions, isDeletable, onAction }: MoreActionsProps) {
  const t = useT();
  const item = (action: WorkspaceAction, Icon: LucideIcon, kind = "") => (
    <DropdownMenu.Item key={action} className={`menu-item ${kind}`} onSelect={() => onAction(action)}>
      <Icon aria-hidden size={15} />
      {t(`action.${action}`)}
    </DropdownMenu.Item>
  );
  return (
    <DropdownMenu.Root modal={false} defaultOpen>
      <DropdownMenu.Trigger className="quick-action" aria-label={label}>
        <Ellipsis aria-hidden size={16} />
      </DropdownMenu.Trigger>
      <MenuPortal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {actions.map(({ action, icon }) => item(action, icon))}
          {item("logs", FileText)}
          {item("settings", Settings)}
          {isDeletable && (
            <>
              <DropdownMenu.Separator className="menu-separator" />
              {item("delete", Trash2, "menu-danger")}
            </>
          )}
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
}
