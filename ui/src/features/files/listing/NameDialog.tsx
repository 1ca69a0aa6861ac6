import { type FormEvent, useState } from "react";
import { reasonOf } from "../../../api/mutations";
import { useT } from "../../../shared/i18n/messages";
import { Field } from "../../../ui/Field";
import { Modal } from "../../../ui/Modal";

interface NameDialogProps {
  title: string;
  label?: string;
  start: string;
  /** What the button says; to save, if nothing else is told. */
  verb?: string;
  onClose: () => void;
  /** Rejects with what is wrong, which is then shown. */
  onSave: (name: string) => Promise<unknown>;
}

/** Asks for one short text, and stays open while it is refused. */
export function NameDialog({ title, label, start, verb, onClose, onSave }: NameDialogProps) {
  const t = useT();
  const [name, setName] = useState(start);
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!name || isBusy) return;
    setIsBusy(true);
    try {
      await onSave(name);
      onClose();
    } catch (failure) {
      setProblem(reasonOf(failure));
      setIsBusy(false);
    }
  };
  return (
    <Modal isOpen onClose={onClose} title={title}>
      <form onSubmit={(event) => void submit(event)}>
        <Field label={label ?? t("files.name")} problem={problem}>
          {(field) => (
            <input
              {...field}
              autoComplete="off"
              spellCheck={false}
              value={name}
              onChange={(event) => {
                setName(event.target.value);
                setProblem("");
              }}
            />
          )}
        </Field>
        <div className="modal-actions">
          <button type="button" className="button" onClick={onClose}>
            {t("app.cancel")}
          </button>
          <button type="submit" className="button button-primary" disabled={!name || isBusy}>
            {verb ?? t("app.save")}
          </button>
        </div>
      </form>
    </Modal>
  );
}
