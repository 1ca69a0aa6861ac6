import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { reasonOf } from "../../../api/mutations";
import { useT } from "../../../shared/i18n/messages";
import { tell } from "../../../shared/toasts";
import { Confirm } from "../../../ui/Confirm";
import { changeMode, type Entry, moveEntry, refreshDirectory, removeEntry } from "../api";
import { baseName, encoded, joined, shown } from "../paths";
import type { Ask } from "./EntryMenu";
import { forAll } from "./forAll";
import { NameDialog } from "./NameDialog";

export interface Asked {
  kind: Ask;
  entries: readonly Entry[];
}

interface EntryDialogsProps {
  workspaceId: string;
  directory: string;
  asked: Asked;
  onClose: () => void;
  /** What was selected is elsewhere, or nowhere. */
  onGone: () => void;
}

const MOST_NAMED = 5;

/** Asks what is to be known before something is done with entries. */
export function EntryDialogs({ workspaceId, directory, asked, onClose, onGone }: EntryDialogsProps) {
  const t = useT();
  const client = useQueryClient();
  const [isBusy, setIsBusy] = useState(false);
  const { kind, entries } = asked;
  const [first] = entries;
  const refresh = () => refreshDirectory(client, workspaceId, directory);
  if (!first) return null;
  if (kind === "rename") {
    return (
      <NameDialog
        title={t("files.rename")}
        start={first.name}
        onClose={onClose}
        onSave={async (name) => {
          await moveEntry(workspaceId, first.path, joined(directory, encoded(name)));
          await refresh();
        }}
      />
    );
  }
  if (kind === "chmod") {
    return (
      <NameDialog
        title={t("files.chmod")}
        label={t("files.mode")}
        start={first.mode}
        onClose={onClose}
        onSave={async (mode) => {
          await changeMode(workspaceId, first.path, mode);
          await refresh();
        }}
      />
    );
  }
  if (kind === "move") {
    return (
      <NameDialog
        title={
          entries.length === 1
            ? t("files.moveOne", { name: first.name })
            : t.count("files.moveMany", entries.length)
        }
        label={t("files.moveTo")}
        start={shown(directory)}
        verb={t("files.move")}
        onClose={onClose}
        onSave={async (typed) => {
          const target = typed.startsWith("/") ? encoded(typed) : joined(directory, encoded(typed));
          const to = target.replace(/\/+$/, "");
          const failed = await forAll(entries, (one) =>
            moveEntry(workspaceId, one.path, joined(to || "/", baseName(one.path))),
          );
          await refresh();
          await refreshDirectory(client, workspaceId, to || "/");
          if (failed) throw failed;
          onGone();
          tell("success", t.count("files.moved", entries.length));
        }}
      />
    );
  }
  const remove = async () => {
    setIsBusy(true);
    const failed = await forAll(entries, (one) => removeEntry(workspaceId, one));
    if (failed) tell("error", reasonOf(failed));
    else onGone();
    await refresh();
    onClose();
  };
  const names = entries.slice(0, MOST_NAMED).map((one) => one.name);
  return (
    <Confirm
      title={
        entries.length === 1
          ? t("files.deleteAsk", { name: first.name })
          : t.count("files.deleteMany", entries.length)
      }
      description={t(
        entries.some((one) => one.type === "directory") ? "files.deleteDeep" : "files.deleteGone",
      )}
      verb={t("action.delete")}
      isDangerous
      isBusy={isBusy}
      onConfirm={() => void remove()}
      onClose={onClose}
    >
      {entries.length > 1 && (
        <ul className="files-named">
          {names.map((name) => (
            <li key={name}>{name}</li>
          ))}
          {entries.length > MOST_NAMED && <li>…</li>}
        </ul>
      )}
    </Confirm>
  );
}
