import { files as texts } from "../shared/i18n/files.en";
import { mayCreate, useSession } from "../api/abilities";
import { addEnglish, useT } from "../shared/i18n/messages";
import { more } from "../shared/i18n/more.en";
import type { MessageKey } from "../shared/i18n/en";
import { Modal } from "../ui/Modal";
import { modifier } from "../shared/modifier";

addEnglish(texts);

addEnglish(more);

const KEYS: [string, MessageKey][] = [
  ["Mod K", "help.palette"],
  ["Mod Shift P", "help.paletteAnywhere"],
  ["?", "help.help"],
  ["/", "help.filter"],
  ["c", "help.create"],
  ["j", "help.next"],
  ["k", "help.previous"],
  ["Enter", "help.openItem"],
  ["Ctrl Shift F", "help.find"],
  ["Ctrl Shift C", "help.copy"],
  ["Ctrl Shift V", "help.pasteKey"],
  ["Ctrl ↑ ↓", "help.commandUp"],
  ["Ctrl Shift O", "help.copyOutput"],
  ["Ctrl F6", "help.leave"],
  ["Mod S", "help.save"],
  ["Mod P", "files.quickOpen"],
];

/** Every key that does something. */
export default function KeysSheet({ onClose }: { onClose: () => void }) {
  const t = useT();
  const isMaker = mayCreate(useSession());
  const named = (key: string) =>
    key === "Mod"
      ? modifier(t)
      : key === "Ctrl"
        ? t("keys.control")
        : key === "Enter"
          ? t("keys.enter")
          : key;
  return (
    <Modal isOpen onClose={onClose} title={t("help.title")}>
      <dl className="keys-sheet">
        {KEYS.filter(([key]) => isMaker || key !== "c").map(([key, text]) => (
          <div key={key}>
            <dt>{t(text)}</dt>
            <dd>
              {key.split(" ").map((one) => (
                <kbd key={one}>{named(one)}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
