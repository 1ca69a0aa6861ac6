import "../styles/files.css";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { FolderInput, FolderPlus, FolderUp, Upload as UploadIcon } from "lucide-react";
import { type DragEvent, useMemo, useRef, useState } from "react";
import { reasonOf } from "../api/mutations";
import { useT } from "../i18n/messages";
import { keptStore, useStore } from "../shared/Store";
import { tell } from "../shared/toasts";
import { directoryQuery, makeDirectory, refreshDirectory } from "./api";
import { DirectoryTree } from "./DirectoryTree";
import { chosenFiles, dropped, type NamedFile } from "./dropped";
import { FileTable } from "./FileTable";
import { FileView } from "./FileView";
import { NameDialog } from "./NameDialog";
import { crumbs, encoded, HOME, joined, parentOf, shown } from "./paths";
import { UploadList } from "./UploadList";
import { UploadQueue } from "./UploadQueue";

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const showHidden = keptStore("nixws.hiddenFiles", false, isBoolean);

/** A directory of a workspace, or one file of it; which one stands in the address. */
export function FilesPanel({ workspaceId }: { workspaceId: string }) {
  const t = useT();
  const client = useQueryClient();
  const navigate = useNavigate();
  const search = useSearch({ strict: false });
  const path = search.path ?? HOME;
  const hidden = useStore(showHidden);
  const { data: entries, error, isPending } = useQuery(directoryQuery(workspaceId, path, hidden));
  const [isOver, setIsOver] = useState(false);
  const [isNaming, setIsNaming] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const folderInput = useRef<HTMLInputElement>(null);
  const queue = useMemo(
    () => new UploadQueue(workspaceId, (directory) => void refreshDirectory(client, workspaceId, directory)),
    [workspaceId, client],
  );
  const goTo = (directory: string) =>
    void navigate({
      to: ".",
      search: ({ file: _, ...rest }: Record<string, unknown>) => ({ ...rest, path: directory }),
    });
  const upload = (files: readonly NamedFile[]) => queue.add(path, files);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setIsOver(false);
    dropped(event.dataTransfer).then(
      ({ files, emptyFolders }) => queue.add(path, files, emptyFolders),
      (failure: unknown) => tell("error", reasonOf(failure)),
    );
  };
  if (search.file !== undefined)
    return <FileView key={search.file} workspaceId={workspaceId} path={search.file} />;
  return (
    <div
      className="files-panel"
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault();
        event.dataTransfer.dropEffect = "copy";
        setIsOver(true);
      }}
      onDragLeave={(event) => {
        // Also told for every part of the panel that the pointer leaves for another one.
        const { relatedTarget } = event;
        if (!(relatedTarget instanceof Node && event.currentTarget.contains(relatedTarget))) setIsOver(false);
      }}
      onDrop={drop}
    >
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
          <button
            type="button"
            className="icon-button"
            aria-label={t("files.parent")}
            title={t("files.parent")}
            disabled={path === "/"}
            onClick={() => goTo(parentOf(path))}
          >
            <FolderUp aria-hidden size={16} />
          </button>
          <button type="button" className="button button-small" onClick={() => setIsNaming(true)}>
            <FolderPlus aria-hidden size={14} />
            {t("files.newFolder")}
          </button>
          <button type="button" className="button button-small" onClick={() => input.current?.click()}>
            <UploadIcon aria-hidden size={14} />
            {t("files.upload")}
          </button>
          <button type="button" className="button button-small" onClick={() => folderInput.current?.click()}>
            <FolderInput aria-hidden size={14} />
            {t("files.uploadFolder")}
          </button>
          <label className="switch">
            <input
              type="checkbox"
              checked={hidden}
              onChange={(event) => showHidden.set(event.target.checked)}
            />
            {t("files.hidden")}
          </label>
          <input
            ref={input}
            type="file"
            multiple
            hidden
            aria-label={t("files.upload")}
            onChange={(event) => {
              if (event.target.files) upload(chosenFiles(event.target.files));
              event.target.value = "";
            }}
          />
          <input
            ref={(element) => {
              folderInput.current = element;
              if (element) element.webkitdirectory = true;
            }}
            type="file"
            hidden
            aria-label={t("files.uploadFolder")}
            onChange={(event) => {
              if (event.target.files) upload(chosenFiles(event.target.files));
              event.target.value = "";
            }}
          />
        </div>
      </div>
      <UploadList queue={queue} />
      <div className="files-columns">
        <DirectoryTree workspaceId={workspaceId} current={path} hidden={hidden} onChoose={goTo} />
        <div className="files-main">
          {isOver && <p className="drop-hint">{t("files.drop", { path: shown(path) })}</p>}
          {error && (
            <p className="placeholder" role="alert">
              {reasonOf(error)}
            </p>
          )}
          {isPending && <p className="placeholder muted">{t("app.loading")}</p>}
          {entries && (
            <FileTable workspaceId={workspaceId} directory={path} entries={entries} onOpen={goTo} />
          )}
        </div>
      </div>
      {isNaming && (
        <NameDialog
          title={t("files.newFolder")}
          start=""
          onClose={() => setIsNaming(false)}
          onSave={async (name) => {
            await makeDirectory(workspaceId, joined(path, encoded(name)));
            await refreshDirectory(client, workspaceId, path);
          }}
        />
      )}
    </div>
  );
}
