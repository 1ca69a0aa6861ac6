import { Link } from "@tanstack/react-router";
import {
  FileDown,
  FilePlus,
  FileSearch,
  FolderInput,
  FolderPlus,
  FolderUp,
  Search,
  Upload,
} from "lucide-react";
import { useRef } from "react";
import { saveUrl } from "../../../shared/download";
import { useT } from "../../../shared/i18n/messages";
import { Button } from "../../../ui/Button";
import { IconButton } from "../../../ui/IconButton";
import { archiveUrl } from "../api";
import { baseName, crumbs, parentOf, shown } from "../paths";
import { chosenFiles, type NamedFile } from "../sending/dropped";
import { HiddenSwitch } from "./Switch";

interface FilesBarProps {
  workspaceId: string;
  path: string;
  onGo: (directory: string) => void;
  onNew: (kind: "file" | "folder") => void;
  onUpload: (files: readonly NamedFile[]) => void;
  onQuickOpen: () => void;
  onSearch: () => void;
}

/** Where one is, and what can be made and looked for there. */
export function FilesBar(props: FilesBarProps) {
  const { workspaceId, path, onGo, onNew, onUpload, onQuickOpen, onSearch } = props;
  const t = useT();
  const input = useRef<HTMLInputElement>(null);
  const folderInput = useRef<HTMLInputElement>(null);
  const zip = () => saveUrl(`${shown(baseName(path)) || "root"}.zip`, archiveUrl(workspaceId, path));
  const take = (chosen: HTMLInputElement) => {
    if (chosen.files) onUpload(chosenFiles(chosen.files));
    chosen.value = "";
  };
  return (
    <div className="files-bar">
      <nav className="crumbs" aria-label={t("files.path")}>
        {crumbs(path).map((crumb) => (
          <Link
            key={crumb.path}
            to="."
            search={(before: Record<string, unknown>) => ({ ...before, path: crumb.path })}
            aria-current={crumb.path === path ? "location" : undefined}
          >
            {crumb.name}
          </Link>
        ))}
      </nav>
      <div className="files-tools">
        <IconButton
          icon={FolderUp}
          label={t("files.parent")}
          disabled={path === "/"}
          onClick={() => onGo(parentOf(path))}
        />
        <IconButton icon={FileSearch} label={t("files.quickOpen")} onClick={onQuickOpen} />
        <IconButton icon={Search} label={t("files.search")} onClick={onSearch} />
        <IconButton icon={FileDown} label={t("files.zipHere")} onClick={zip} />
        <Button isSmall icon={FilePlus} onClick={() => onNew("file")}>
          {t("files.newFile")}
        </Button>
        <Button isSmall icon={FolderPlus} onClick={() => onNew("folder")}>
          {t("files.newFolder")}
        </Button>
        <Button isSmall icon={Upload} onClick={() => input.current?.click()}>
          {t("files.upload")}
        </Button>
        <Button isSmall icon={FolderInput} onClick={() => folderInput.current?.click()}>
          {t("files.uploadFolder")}
        </Button>
        <HiddenSwitch />
        <input
          ref={input}
          type="file"
          multiple
          hidden
          aria-label={t("files.upload")}
          onChange={(event) => take(event.target)}
        />
        <input
          ref={(element) => {
            folderInput.current = element;
            if (element) element.webkitdirectory = true;
          }}
          type="file"
          hidden
          aria-label={t("files.uploadFolder")}
          onChange={(event) => take(event.target)}
        />
      </div>
    </div>
  );
}
