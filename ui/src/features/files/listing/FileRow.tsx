import { Link } from "@tanstack/react-router";
import { File, FileQuestion, Folder, Link2, type LucideIcon } from "lucide-react";
import { memo } from "react";
import { useT } from "../../../shared/i18n/messages";
import { bytes, dateTime, relativeTime } from "../../../shared/format";
import type { Entry, EntryType } from "../api";
import { EndName } from "./EndName";
import { type Ask, EntryMenu } from "./EntryMenu";

const ICONS: Record<EntryType, LucideIcon> = {
  file: File,
  directory: Folder,
  link: Link2,
  other: FileQuestion,
};

interface FileRowProps {
  workspaceId: string;
  entry: Entry;
  index: number;
  now: number;
  isMarked: boolean;
  /** The one that Tab goes to. */
  isCurrent: boolean;
  onMark: (path: string, isRange: boolean) => void;
  onFocus: (index: number) => void;
  onAsk: (kind: Ask, entry: Entry) => void;
}

/** Keeps everything else of the address. */
type Search = Record<string, unknown>;

/** The address of what an entry opens. */
export const opens =
  (entry: Entry) =>
  ({ file: _, line: __, ...rest }: Search): Search =>
    entry.type === "directory" ? { ...rest, path: entry.path } : { ...rest, file: entry.path };

/** One name of a directory. */
export const FileRow = memo(function FileRow(props: FileRowProps) {
  const { workspaceId, entry, index, now, isMarked, isCurrent, onMark, onFocus, onAsk } = props;
  const t = useT();
  const Icon = ICONS[entry.type];
  return (
    <tr
      aria-rowindex={index + 2}
      aria-selected={isMarked}
      data-index={index}
      tabIndex={isCurrent ? 0 : -1}
      onFocus={() => onFocus(index)}
    >
      <td className="file-check">
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isMarked}
          aria-label={t("files.mark", { name: entry.name })}
          onClick={(event) => onMark(entry.path, event.shiftKey)}
          onChange={() => undefined}
        />
      </td>
      <td>
        <span className="file-name" data-type={entry.type}>
          <Icon aria-hidden size={16} />
          {entry.type === "other" ? (
            <EndName name={entry.name} />
          ) : (
            <Link to="." search={opens(entry)} tabIndex={-1} aria-label={entry.name}>
              <EndName name={entry.name} />
            </Link>
          )}
          {entry.link_target !== null && (
            <span className="muted file-target" title={entry.link_target}>
              → {entry.link_target}
            </span>
          )}
        </span>
      </td>
      <td className="figure">{entry.type === "file" ? bytes(entry.size, t.locale) : ""}</td>
      <td>
        <code>{entry.mode}</code>
      </td>
      <td>
        <time dateTime={entry.modified} title={dateTime(entry.modified, t.locale)}>
          {relativeTime(entry.modified, now, t.locale)}
        </time>
      </td>
      <td className="file-more">
        <EntryMenu workspaceId={workspaceId} entry={entry} onAsk={onAsk} />
      </td>
    </tr>
  );
});
