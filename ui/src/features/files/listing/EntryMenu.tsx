import { Download, Ellipsis, FolderInput, Pencil, Shield, Trash2 } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useT } from "../../../shared/i18n/messages";
import { saveUrl } from "../../../shared/download";
import { MenuPortal } from "../../../ui/MenuPortal";
import { archiveUrl, type Entry, fileUrl } from "../api";

export type Ask = "rename" | "chmod" | "move" | "delete";

interface EntryMenuProps {
  workspaceId: string;
  entry: Entry;
  onAsk: (kind: Ask, entry: Entry) => void;
}

/** Lets the browser download a file, or a directory as zip. */
export function save(workspaceId: string, entry: Entry): void {
  if (entry.type === "directory") saveUrl(`${entry.name}.zip`, archiveUrl(workspaceId, entry.path));
  else saveUrl(entry.name, fileUrl(workspaceId, entry.path));
}

/** What can be done with one entry. */
export function EntryMenu({ workspaceId, entry, onAsk }: EntryMenuProps) {
  const t = useT();
  const items = [
    ["rename", Pencil, "files.rename"],
    ["move", FolderInput, "files.move"],
    ["chmod", Shield, "files.chmod"],
  ] as const;
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        className="icon-button"
        tabIndex={-1}
        aria-label={t("action.more", { name: entry.name })}
      >
        <Ellipsis aria-hidden size={16} />
      </DropdownMenu.Trigger>
      <MenuPortal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {entry.type !== "other" && (
            <DropdownMenu.Item className="menu-item" onSelect={() => save(workspaceId, entry)}>
              <Download aria-hidden size={15} />
              {t(entry.type === "directory" ? "files.zip" : "app.download")}
            </DropdownMenu.Item>
          )}
          {items.map(([kind, Icon, text]) => (
            <DropdownMenu.Item key={kind} className="menu-item" onSelect={() => onAsk(kind, entry)}>
              <Icon aria-hidden size={15} />
              {t(text)}
            </DropdownMenu.Item>
          ))}
          <DropdownMenu.Separator className="menu-separator" />
          <DropdownMenu.Item className="menu-item menu-danger" onSelect={() => onAsk("delete", entry)}>
            <Trash2 aria-hidden size={15} />
            {t("action.delete")}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
}
