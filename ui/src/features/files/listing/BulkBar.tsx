import { Download, FolderInput, Trash2, X } from "lucide-react";
import { saveUrl } from "../../../shared/download";
import { useT } from "../../../shared/i18n/messages";
import { Button } from "../../../ui/Button";
import { IconButton } from "../../../ui/IconButton";
import { archiveUrl, type Entry } from "../api";
import { baseName, shown } from "../paths";
import { save } from "./EntryMenu";

interface BulkBarProps {
  workspaceId: string;
  directory: string;
  entries: readonly Entry[];
  onAsk: (kind: "move" | "delete") => void;
  onClear: () => void;
}

/** An address takes so much and no more. */
const LONGEST_ADDRESS = 30_000;

/** What can be done with all that is selected. */
export function BulkBar({ workspaceId, directory, entries, onAsk, onClear }: BulkBarProps) {
  const t = useT();
  const url = archiveUrl(workspaceId, directory, entries);
  const download = () => {
    const [first] = entries;
    if (entries.length === 1 && first) save(workspaceId, first);
    else saveUrl(`${shown(baseName(directory)) || "root"}.zip`, url);
  };
  return (
    <div className="files-bulk" role="toolbar" aria-label={t("files.marked")}>
      <strong>{t.count("files.markedCount", entries.length)}</strong>
      <Button
        isSmall
        icon={Download}
        onClick={download}
        reason={url.length > LONGEST_ADDRESS ? t("files.tooManyForZip") : undefined}
      >
        {t(entries.length === 1 && entries[0]?.type === "file" ? "app.download" : "files.zip")}
      </Button>
      <Button isSmall icon={FolderInput} onClick={() => onAsk("move")}>
        {t("files.move")}
      </Button>
      <Button isSmall kind="danger" icon={Trash2} onClick={() => onAsk("delete")}>
        {t("action.delete")}
      </Button>
      <IconButton icon={X} label={t("files.unmark")} onClick={onClear} />
    </div>
  );
}
