import { type ReactNode, use } from "react";
import { Button } from "./Button";
import { Modal } from "./Modal";
import { WordsContext } from "./words";

interface ConfirmProps {
  title: string;
  description?: string;
  /** The verb on the button that does it. */
  verb: string;
  isDangerous?: boolean;
  isBusy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
  children?: ReactNode;
}

/** Asks before something is done that cannot be taken back, or that ends work. */
export function Confirm({
  title,
  description,
  verb,
  isDangerous = false,
  isBusy = false,
  onConfirm,
  onClose,
  children,
}: ConfirmProps) {
  const words = use(WordsContext);
  return (
    <Modal isOpen onClose={onClose} title={title} {...(description && { description })}>
      {children}
      <div className="modal-actions">
        <Button onClick={onClose}>{words.cancel}</Button>
        <Button kind={isDangerous ? "danger" : "primary"} disabled={isBusy} onClick={onConfirm}>
          {verb}
        </Button>
      </div>
    </Modal>
  );
}
