import { type FormEvent, useState } from "react";
import { useBulkVerb, useVerb } from "../../api/mutations";
import type { Workspace } from "../../api/types";
import { useT } from "../../shared/i18n/messages";
import { Field } from "../../ui/Field";
import { Modal } from "../../ui/Modal";

export interface DeleteDialogProps {
  /** Closed while there are none. */
  workspaces: readonly Pick<Workspace, "id" | "name">[];
  onClose: () => void;
  onDeleted?: () => void;
}

/** Asks for a workspace's name, or for the number of several, before their data is destroyed. */
export default function DeleteDialog({ workspaces, onClose, onDeleted }: DeleteDialogProps) {
  const t = useT();
  const [first] = workspaces;
  const isOne = first !== undefined && workspaces.length === 1;
  return (
    <Modal
      isOpen={workspaces.length > 0}
      onClose={onClose}
      title={
        isOne ? t("detail.deleteTitle", { name: first.name }) : t.count("bulk.deleteTitle", workspaces.length)
      }
      {...(!isOne && { description: workspaces.map((workspace) => workspace.name).join(", ") })}
    >
      <Confirmation workspaces={workspaces} onClose={onClose} onDeleted={onDeleted} />
    </Modal>
  );
}

function Confirmation({
  workspaces,
  onClose,
  onDeleted,
}: DeleteDialogProps & { onDeleted: (() => void) | undefined }) {
  const t = useT();
  const [typed, setTyped] = useState("");
  const one = useVerb();
  const many = useBulkVerb();
  const single = workspaces.length === 1 ? workspaces[0] : undefined;
  const word = single ? single.name : String(workspaces.length);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed !== word) return;
    if (single) one.mutate({ verb: "delete", workspace: single });
    else many.mutate({ verb: "delete", workspaces: workspaces as Workspace[] });
    onClose();
    onDeleted?.();
  };
  return (
    <form onSubmit={submit}>
      <Field label={t("bulk.deleteHint", { word })}>
        {(props) => (
          <input
            {...props}
            autoComplete="off"
            spellCheck={false}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        )}
      </Field>
      <div className="modal-actions">
        <button type="button" className="button" onClick={onClose}>
          {t("app.cancel")}
        </button>
        <button type="submit" className="button button-danger" disabled={typed !== word}>
          {t("action.delete")}
        </button>
      </div>
    </form>
  );
}
