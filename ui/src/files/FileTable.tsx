import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import {
  Download,
  Ellipsis,
  File,
  FileQuestion,
  Folder,
  Link2,
  Pencil,
  Shield,
  Trash2,
  type LucideIcon,
} from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useState } from "react";
import { reasonOf } from "../api/mutations";
import { useT } from "../i18n/messages";
import { saveUrl } from "../shared/download";
import { bytes, dateTime } from "../shared/format";
import { MenuPortal } from "../shared/MenuPortal";
import { Modal } from "../shared/Modal";
import { tell } from "../shared/toasts";
import {
  archiveUrl,
  changeMode,
  type Entry,
  type EntryType,
  fileUrl,
  moveEntry,
  refreshDirectory,
  removeEntry,
} from "./api";
import { NameDialog } from "./NameDialog";
import { encoded, joined } from "./paths";

const ICONS: Record<EntryType, LucideIcon> = {
  file: File,
  directory: Folder,
  link: Link2,
  other: FileQuestion,
};
type Asked = { kind: "rename" | "chmod" | "delete"; entry: Entry } | null;

interface FileTableProps {
  workspaceId: string;
  directory: string;
  entries: readonly Entry[];
  onOpen: (directory: string) => void;
}

/** The names of one directory and what can be done with each. */
export function FileTable({ workspaceId, directory, entries, onOpen }: FileTableProps) {
  const t = useT();
  const client = useQueryClient();
  const [asked, setAsked] = useState<Asked>(null);
  const refresh = () => refreshDirectory(client, workspaceId, directory);
  const close = () => setAsked(null);
  const remove = async (entry: Entry) => {
    close();
    try {
      await removeEntry(workspaceId, entry);
    } catch (failure) {
      tell("error", reasonOf(failure));
    }
    await refresh();
  };
  if (entries.length === 0) return <p className="placeholder muted">{t("files.empty")}</p>;
  return (
    <div className="table-scroll">
      <table className="data-table files-table">
        <thead>
          <tr>
            <th scope="col">{t("files.name")}</th>
            <th scope="col">{t("files.size")}</th>
            <th scope="col">{t("files.mode")}</th>
            <th scope="col">{t("files.modified")}</th>
            <th scope="col">
              <span className="visually-hidden">{t("app.menu")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => {
            const Icon = ICONS[entry.type];
            return (
              <tr key={entry.path}>
                <td>
                  <span className="file-name">
                    <Icon aria-hidden size={16} />
                    <EntryName entry={entry} onOpen={onOpen} />
                  </span>
                </td>
                <td>{entry.type === "file" ? bytes(entry.size, t.locale) : ""}</td>
                <td>
                  <code>{entry.mode}</code>
                </td>
                <td>{dateTime(entry.modified, t.locale)}</td>
                <td>
                  <EntryMenu
                    workspaceId={workspaceId}
                    entry={entry}
                    onAsk={(kind) => setAsked({ kind, entry })}
                  />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {asked?.kind === "rename" && (
        <NameDialog
          title={t("files.rename")}
          start={asked.entry.name}
          onClose={close}
          onSave={async (name) => {
            await moveEntry(workspaceId, asked.entry.path, joined(directory, encoded(name)));
            await refresh();
          }}
        />
      )}
      {asked?.kind === "chmod" && (
        <NameDialog
          title={t("files.chmod")}
          label={t("files.mode")}
          start={asked.entry.mode}
          onClose={close}
          onSave={async (mode) => {
            await changeMode(workspaceId, asked.entry.path, mode);
            await refresh();
          }}
        />
      )}
      {asked?.kind === "delete" && (
        <Modal isOpen onClose={close} title={t("files.deleteAsk", { name: asked.entry.name })}>
          <div className="modal-actions">
            <button type="button" className="button" onClick={close}>
              {t("app.cancel")}
            </button>
            <button type="button" className="button button-danger" onClick={() => void remove(asked.entry)}>
              {t("action.delete")}
            </button>
          </div>
        </Modal>
      )}
    </div>
  );
}

function EntryName({ entry, onOpen }: { entry: Entry; onOpen: (directory: string) => void }) {
  if (entry.type === "other") return <span>{entry.name}</span>;
  if (entry.type === "directory") {
    return (
      <button type="button" className="link-button" onClick={() => onOpen(entry.path)}>
        {entry.name}
      </button>
    );
  }
  return (
    <>
      <Link to="." search={(before: Record<string, unknown>) => ({ ...before, file: entry.path })}>
        {entry.name}
      </Link>
      {entry.link_target !== null && <span className="muted">→ {entry.link_target}</span>}
    </>
  );
}

interface EntryMenuProps {
  workspaceId: string;
  entry: Entry;
  onAsk: (kind: "rename" | "chmod" | "delete") => void;
}

function EntryMenu({ workspaceId, entry, onAsk }: EntryMenuProps) {
  const t = useT();
  const isDirectory = entry.type === "directory";
  const save = () => {
    if (isDirectory) saveUrl(`${entry.name}.zip`, archiveUrl(workspaceId, entry.path));
    else saveUrl(entry.name, fileUrl(workspaceId, entry.path));
  };
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="icon-button" aria-label={t("action.more", { name: entry.name })}>
        <Ellipsis aria-hidden size={16} />
      </DropdownMenu.Trigger>
      <MenuPortal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {entry.type !== "other" && (
            <DropdownMenu.Item className="menu-item" onSelect={save}>
              <Download aria-hidden size={15} />
              {t(isDirectory ? "files.zip" : "app.download")}
            </DropdownMenu.Item>
          )}
          <DropdownMenu.Item className="menu-item" onSelect={() => onAsk("rename")}>
            <Pencil aria-hidden size={15} />
            {t("files.rename")}
          </DropdownMenu.Item>
          <DropdownMenu.Item className="menu-item" onSelect={() => onAsk("chmod")}>
            <Shield aria-hidden size={15} />
            {t("files.chmod")}
          </DropdownMenu.Item>
          <DropdownMenu.Separator className="menu-separator" />
          <DropdownMenu.Item className="menu-item menu-danger" onSelect={() => onAsk("delete")}>
            <Trash2 aria-hidden size={15} />
            {t("action.delete")}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
}
