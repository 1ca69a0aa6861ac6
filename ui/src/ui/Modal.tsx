import { X } from "lucide-react";
import { Dialog } from "radix-ui";
import { type ReactNode, use } from "react";
import { focusBack } from "./focus";
import { WordsContext } from "./words";

interface ModalProps {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  description?: string;
  /** A drawer stands at the side of the page instead of in its middle. */
  kind?: "dialog" | "drawer" | "palette";
  /** Something is filled in: a click beside it is no wish to close it. */
  isFilled?: boolean;
  children: ReactNode;
}

/** A dialog that keeps the focus, gives it back, and closes by Escape or a click beside it. */
export function Modal({
  isOpen,
  onClose,
  title,
  description,
  kind = "dialog",
  isFilled = false,
  children,
}: ModalProps) {
  const words = use(WordsContext);
  return (
    <Dialog.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="modal-overlay" />
        <Dialog.Content
          className={`modal modal-${kind}`}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            // Who closed it may have put the focus somewhere already.
            if (document.activeElement === document.body) focusBack();
          }}
          onInteractOutside={(event) => isFilled && event.preventDefault()}
          {...(!description && { "aria-describedby": undefined })}
        >
          <Dialog.Title className="modal-title">{title}</Dialog.Title>
          {description && <Dialog.Description className="muted">{description}</Dialog.Description>}
          {children}
          {/* Last, so that the focus begins in what the dialog is about. */}
          <Dialog.Close className="icon-button modal-close" aria-label={words.close}>
            <X aria-hidden size={18} />
          </Dialog.Close>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
