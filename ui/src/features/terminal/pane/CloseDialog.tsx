import { useT } from "../../../shared/i18n/messages";
import { Confirm } from "../../../ui/Confirm";

interface CloseDialogProps {
  name: string;
  /** What runs in it; empty where nobody can tell. */
  process: string;
  onClose: () => void;
  onEnd: () => void;
}

/** Asks before a terminal is closed in which something runs. */
export default function CloseDialog({ name, process, onClose, onEnd }: CloseDialogProps) {
  const t = useT();
  return (
    <Confirm
      title={t("terminal.closeAsk", { name })}
      {...(process && { description: t("terminal.ends", { process }) })}
      verb={t("terminal.closeYes")}
      isDangerous
      onConfirm={onEnd}
      onClose={onClose}
    />
  );
}
