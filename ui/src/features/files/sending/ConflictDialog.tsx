import { files as texts } from "../../../shared/i18n/files.en";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { bytes, dateTime } from "../../../shared/format";
import { Modal } from "../../../ui/Modal";
import { useStore } from "../../../shared/Store";
import { takenQuery } from "../api";
import { baseName, shown } from "../paths";
import type { Decision, UploadQueue } from "./UploadQueue";

addEnglish(texts);

/** Asks what is to become of an upload whose name is taken, and of all others like it if that is wanted. */
export function ConflictDialog({ queue }: { queue: UploadQueue }) {
  const t = useT();
  const [isForAll, setIsForAll] = useState(false);
  const conflicts = useStore(queue.state).filter((one) => one.state === "conflict");
  const [first] = conflicts;
  const taken = useQuery({
    ...takenQuery(queue.workspaceId, first?.path ?? ""),
    enabled: first !== undefined,
  });
  if (!first) return null;
  const facts = (size: number, date: string) => ({
    size: bytes(size, t.locale),
    date: dateTime(date, t.locale),
  });
  const yours = t("files.yours", facts(first.size, new Date(first.modified).toISOString()));
  const there = taken.data && t("files.there", facts(taken.data.size, taken.data.modified));
  const decide = (decision: Decision) =>
    queue.decide(isForAll ? conflicts.map((one) => one.id) : [first.id], decision);
  return (
    <Modal
      isOpen
      onClose={() => decide("skip")}
      title={t("files.exists", { name: shown(baseName(first.path)) })}
      description={there ? `${yours} ${there}` : yours}
    >
      {conflicts.length > 1 && (
        <label className="switch">
          <input type="checkbox" checked={isForAll} onChange={(event) => setIsForAll(event.target.checked)} />
          {t.count("files.forAll", conflicts.length)}
        </label>
      )}
      <div className="modal-actions">
        <button type="button" className="button" onClick={() => decide("skip")}>
          {t("files.skip")}
        </button>
        <button type="button" className="button" onClick={() => decide("keepBoth")}>
          {t("files.keepBoth")}
        </button>
        <button type="button" className="button button-danger" onClick={() => decide("replace")}>
          {t("files.replace")}
        </button>
      </div>
    </Modal>
  );
}
