import { ArrowDown, ArrowUp, X } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { useT } from "../i18n/messages";

interface FindBarProps {
  onFind: (text: string, isForward: boolean) => boolean;
  onClose: () => void;
}

/** Finds in what a terminal has printed; Enter goes back, Shift+Enter forth. */
export function FindBar({ onFind, onClose }: FindBarProps) {
  const t = useT();
  const [text, setText] = useState("");
  const [isFound, setIsFound] = useState(true);
  const find = (isForward: boolean) => setIsFound(text === "" || onFind(text, isForward));
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onClose();
    else if (event.key === "Enter") find(event.shiftKey);
    else return;
    event.preventDefault();
  };
  return (
    <search className="find-bar">
      <input
        type="search"
        // The bar opens by a key: the next key is what to find.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        aria-label={t("terminal.find")}
        aria-invalid={!isFound}
        placeholder={t("terminal.find")}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setIsFound(event.target.value === "" || onFind(event.target.value, false));
        }}
        onKeyDown={onKeyDown}
      />
      <button
        type="button"
        className="icon-button"
        aria-label={t("terminal.previous")}
        onClick={() => find(false)}
      >
        <ArrowUp aria-hidden size={16} />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={t("terminal.next")}
        onClick={() => find(true)}
      >
        <ArrowDown aria-hidden size={16} />
      </button>
      <button type="button" className="icon-button" aria-label={t("app.close")} onClick={onClose}>
        <X aria-hidden size={16} />
      </button>
    </search>
  );
}
