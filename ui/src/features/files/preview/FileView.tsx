import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { ArrowLeft, Download, Eye, FileQuestion, PencilLine } from "lucide-react";
import { useState } from "react";
import { ApiError } from "../../../api/client";
import { useT } from "../../../shared/i18n/messages";
import { saveUrl } from "../../../shared/download";
import { bytes } from "../../../shared/format";
import { lazily } from "../../../shared/lazily";
import { Button } from "../../../ui/Button";
import { EmptyState } from "../../../ui/EmptyState";
import { Skeleton } from "../../../ui/Skeleton";
import { type Draft, draftOf, dropDraft } from "../editing/drafts";
import { fileQuery, fileUrl, type FileContent, readProblem } from "../api";
import { baseName, shown } from "../paths";
import { Picture, pictureType } from "./Picture";

const CodeEditor = lazily(async () => (await import("../editing/CodeEditor")).default);
const Markdown = lazily(async () => (await import("./Markdown")).default);

const LARGEST_TEXT = 2 << 20;

interface FileViewProps {
  workspaceId: string;
  path: string;
  line?: number | undefined;
}

type Search = Record<string, unknown>;

/** Whether a file can be shown as it is meant, besides as it is written. */
const isRendered = (name: string): boolean => /\.(md|markdown|svg)$/i.test(name);

/** One file: text in the editor, a picture as one, Markdown as either, anything else to be downloaded. */
export function FileView({ workspaceId, path, line }: FileViewProps) {
  const t = useT();
  const name = shown(baseName(path));
  const client = useQueryClient();
  const navigate = useNavigate();
  const rendered = useSearch({ strict: false }).rendered === true && isRendered(name);
  const [draft, setDraft] = useState(() => draftOf(workspaceId, path));
  // What was read stays under what is typed: a later version is told about, and put in its place only if that is wanted.
  const [opened, setOpened] = useState<FileContent | null>(
    draft && { blob: new Blob([draft.text]), etag: draft.etag, size: draft.text.length },
  );
  const { data, error, isPending } = useQuery({
    ...fileQuery(workspaceId, path),
    enabled: opened === null,
  });
  if (data && !opened) setOpened(data);
  const [tools, setTools] = useState<HTMLElement | null>(null);
  const reload = () => {
    dropDraft(workspaceId, path);
    client.removeQueries({ queryKey: fileQuery(workspaceId, path).queryKey });
    setDraft(null);
    setOpened(null);
  };
  const turn = () => {
    // What was typed goes along; what was saved meanwhile is read.
    const typed = draftOf(workspaceId, path);
    setDraft(typed);
    if (!typed) {
      client.removeQueries({ queryKey: fileQuery(workspaceId, path).queryKey });
      setOpened(null);
    }
    void navigate({
      to: ".",
      search: ({ rendered: before, ...rest }: Search) => (before ? rest : { ...rest, rendered: true }),
    });
  };
  const isThere = !(error instanceof ApiError && error.status < 500 && error.status > 0) || opened !== null;
  return (
    <div className="file-view">
      <div className="files-bar">
        <Link
          to="."
          search={({ file: _, line: __, rendered: ___, ...rest }: Search) => rest}
          className="icon-button"
          aria-label={t("files.parent")}
        >
          <ArrowLeft aria-hidden size={18} />
        </Link>
        <h3 title={shown(path)}>{name}</h3>
        <div className="editor-tools" ref={setTools} />
        {isRendered(name) && opened?.blob && (
          <Button isSmall icon={rendered ? PencilLine : Eye} onClick={turn}>
            {t(rendered ? "files.edit" : "files.preview")}
          </Button>
        )}
        {isThere && (
          <Button isSmall icon={Download} onClick={() => saveUrl(name, fileUrl(workspaceId, path))}>
            {t("app.download")}
          </Button>
        )}
      </div>
      {error && !opened && <EmptyState isAlert icon={FileQuestion} title={readProblem(error, path)} />}
      {isPending && !opened && <Skeleton label={t("app.loading")} lines={6} />}
      {opened && (
        <Content
          workspaceId={workspaceId}
          path={path}
          content={opened}
          draft={draft}
          name={name}
          line={line}
          rendered={rendered}
          tools={tools}
          onReload={reload}
        />
      )}
    </div>
  );
}

interface ContentProps {
  workspaceId: string;
  path: string;
  name: string;
  content: FileContent;
  draft: Draft | null;
  line: number | undefined;
  rendered: boolean;
  /** Where the editor puts what is done with the text. */
  tools: HTMLElement | null;
  onReload: () => void;
}

function Content({ workspaceId, path, name, content, draft, line, rendered, tools, onReload }: ContentProps) {
  const t = useT();
  const { blob } = content;
  const type = pictureType(name);
  const isPicture = type !== undefined && (rendered || !isRendered(name));
  const isText = blob !== null && !isPicture && blob.size <= LARGEST_TEXT;
  const { data: text, isPending } = useQuery({
    queryKey: ["decoded", path, content.etag, draft?.at],
    enabled: isText,
    gcTime: 0,
    queryFn: async () => draft?.text ?? (blob && decoded(await blob.arrayBuffer())),
  });
  if (isPicture && blob) {
    const drawn = draft ? new Blob([draft.text]) : blob;
    return <Picture key={content.etag} blob={drawn} type={type} name={name} />;
  }
  if (!isText) {
    return <p className="placeholder">{t("files.tooLarge", { size: bytes(content.size, t.locale) })}</p>;
  }
  if (isPending) return null;
  if (text === null || text === undefined) return <p className="placeholder">{t("files.binary")}</p>;
  if (rendered) return <Markdown text={text} path={path} />;
  return (
    <CodeEditor
      key={content.etag}
      workspaceId={workspaceId}
      path={path}
      name={name}
      text={text}
      etag={content.etag}
      draft={draft}
      line={line}
      onReload={onReload}
      tools={tools}
    />
  );
}

/** The text of bytes; null if they are none. */
function decoded(buffer: ArrayBuffer): string | null {
  if (new Uint8Array(buffer).includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(buffer);
  } catch {
    return null;
  }
}
