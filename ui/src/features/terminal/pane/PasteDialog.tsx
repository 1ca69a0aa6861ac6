import { useT } from "../../../shared/i18n/messages";
import { Modal } from "../../../ui/Modal";

const SHOWN = 2_000;

interface PasteDialogProps {
  text: string;
  onPaste: () => void;
  onClose: () => void;
}

/** Shows what several pasted lines would do before a shell runs them. */
export default function PasteDialog({ text, onPaste, onClose }: PasteDialogProps) {
  const t = useT();
  const count = text.trimEnd().split(/\r\n|\r|\n/).length;
  return (
    <Modal
      isOpen
      onClose={onClose}
      title={t("terminal.paste", { count })}
      description={t("terminal.pasteHint")}
    >
      <pre className="paste-preview">{text.slice(0, SHOWN)}</pre>
      <div className="modal-actions">
        <button type="button" className="button" onClick={onClose}>
          {t("app.cancel")}
        </button>
        <button type="button" className="button button-primary" onClick={onPaste}>
          {t("terminal.pasteYes")}
        </button>
      </div>
    </Modal>
  );
}
