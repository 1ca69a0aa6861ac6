import { useT } from "../i18n/messages";
import type { MessageKey } from "../i18n/en";
import { Modal } from "./Modal";
import { modifier } from "./modifier";

const KEYS: [string, MessageKey][] = [
  ["Mod K", "help.palette"],
  ["?", "help.help"],
  ["/", "help.filter"],
  ["c", "help.create"],
  ["j", "help.next"],
  ["k", "help.previous"],
  ["Enter", "help.openItem"],
  ["Ctrl Shift F", "help.find"],
  ["Ctrl Shift C", "help.copy"],
  ["Ctrl Shift V", "help.pasteKey"],
  ["Ctrl F6", "help.leave"],
  ["Mod S", "help.save"],
];

/** Every key that does something. */
export default function KeysSheet({ onClose }: { onClose: () => void }) {
  const t = useT();
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
        {KEYS.map(([key, text]) => (
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
