import "./files.css";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { FolderOpen } from "lucide-react";
import { type DragEvent, useState } from "react";
import { reasonOf } from "../../api/mutations";
import { useT } from "../../shared/i18n/messages";
import { lazily } from "../../shared/lazily";
import { useShortcuts } from "../../shared/shortcuts";
import { useStore } from "../../shared/Store";
import { tell } from "../../shared/toasts";
import { EmptyState } from "../../ui/EmptyState";
import { Skeleton } from "../../ui/Skeleton";
import {
  createFile,
  directoryQuery,
  type Entry,
  makeDirectory,
  MOST,
  readProblem,
  refreshDirectory,
} from "./api";
import { DirectoryTree } from "./listing/DirectoryTree";
import { FilesBar } from "./listing/FilesBar";
import { FileTable } from "./listing/FileTable";
import { NameDialog } from "./listing/NameDialog";
import { isOrder, type Order } from "./listing/order";
import { opens } from "./listing/FileRow";
import { showHidden } from "./listing/showHidden";
import { encoded, HOME, joined, shown } from "./paths";
import { FileView } from "./preview/FileView";
import { dropped } from "./sending/dropped";
import { UploadList } from "./sending/UploadList";
import { uploadsOf } from "./sending/uploads";

const QuickOpen = lazily(async () => (await import("./finding/QuickOpen")).QuickOpen, { kind: "dialog" });
const SearchView = lazily(async () => (await import("./finding/SearchView")).SearchView);

type Search = Record<string, unknown>;

/** A directory of a workspace, or one file of it, or a search below it; which one stands in the address. */
export function FilesPanel({ workspaceId }: { workspaceId: string }) {
  const navigate = useNavigate();
  const search = useSearch({ strict: false });
  const path = search.path ?? HOME;
  const [isQuick, setIsQuick] = useState(false);
  const openFile = (file: string, line?: number) =>
    void navigate({
      to: ".",
      search: ({ line: _, ...rest }: Search) => ({ ...rest, file, ...(line && { line }) }),
    });
  useShortcuts({ "mod+p": () => setIsQuick(true) });
  return (
    <>
      {search.file !== undefined ? (
        <FileView key={search.file} workspaceId={workspaceId} path={search.file} line={search.line} />
      ) : search.find !== undefined ? (
        <SearchView workspaceId={workspaceId} directory={path} text={search.find} onOpen={openFile} />
      ) : (
        <Directory workspaceId={workspaceId} path={path} onQuickOpen={() => setIsQuick(true)} />
      )}
      {isQuick && <QuickOpen workspaceId={workspaceId} onOpen={openFile} onClose={() => setIsQuick(false)} />}
    </>
  );
}

interface DirectoryProps {
  workspaceId: string;
  path: string;
  onQuickOpen: () => void;
}

function Directory({ workspaceId, path, onQuickOpen }: DirectoryProps) {
  const t = useT();
  const client = useQueryClient();
  const navigate = useNavigate();
  const search = useSearch({ strict: false });
  const order: Order = isOrder(search.order) ? search.order : "name";
  const hidden = useStore(showHidden);
  const { data: entries, error, isPending } = useQuery(directoryQuery(workspaceId, path, hidden));
  const [isOver, setIsOver] = useState(false);
  const [making, setMaking] = useState<"file" | "folder" | null>(null);
  const queue = uploadsOf(client, workspaceId);
  const change = (to: (before: Search) => Search) => void navigate({ to: ".", search: to });
  const goTo = (directory: string) => change(({ file: _, ...rest }) => ({ ...rest, path: directory }));
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setIsOver(false);
    dropped(event.dataTransfer).then(
      ({ files, emptyFolders }) => queue.add(path, files, emptyFolders),
      (failure: unknown) => tell("error", reasonOf(failure)),
    );
  };
  const make = async (name: string) => {
    const target = joined(path, encoded(name));
    if (making === "folder") await makeDirectory(workspaceId, target);
    else {
      await createFile(workspaceId, target);
      change((before) => ({ ...before, file: target }));
    }
    await refreshDirectory(client, workspaceId, path);
  };
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
      <FilesBar
        workspaceId={workspaceId}
        path={path}
        onGo={goTo}
        onNew={setMaking}
        onUpload={(files) => queue.add(path, files)}
        onQuickOpen={onQuickOpen}
        onSearch={() => change((before) => ({ ...before, find: "" }))}
      />
      <UploadList queue={queue} />
      <div className="files-columns">
        <DirectoryTree workspaceId={workspaceId} current={path} hidden={hidden} onChoose={goTo} />
        <div className="files-main">
          {error && <EmptyState isAlert title={readProblem(error, path)} />}
          {isPending && <Skeleton label={t("app.loading")} lines={6} />}
          {entries?.length === 0 && <EmptyState icon={FolderOpen} title={t("files.empty")} />}
          {entries && entries.length > 0 && (
            <FileTable
              key={path}
              workspaceId={workspaceId}
              directory={path}
              entries={entries}
              order={order}
              onOrder={(next) =>
                change(({ order: _, ...rest }) => ({ ...rest, ...(next !== "name" && { order: next }) }))
              }
              onOpen={(entry: Entry) => change(opens(entry))}
            />
          )}
          {entries && entries.length >= MOST && (
            <p className="muted">{t.count("files.cutOff", entries.length)}</p>
          )}
        </div>
      </div>
      {isOver && (
        <div className="drop-frame">
          <p>{t("files.drop", { path: shown(path) })}</p>
        </div>
      )}
      {making && (
        <NameDialog
          title={t(making === "file" ? "files.newFile" : "files.newFolder")}
          start=""
          onClose={() => setMaking(null)}
          onSave={make}
        />
      )}
    </div>
  );
}
