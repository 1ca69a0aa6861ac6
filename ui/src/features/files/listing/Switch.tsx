import type { ReactNode } from "react";
import { useT } from "../../../shared/i18n/messages";
import { type Store, useStore } from "../../../shared/Store";
import { showHidden } from "./showHidden";

interface SwitchProps {
  /** What is switched, which the browser keeps. */
  store: Store<boolean>;
  children: ReactNode;
}

/** Switches something of the files on or off. */
export function Switch({ store, children }: SwitchProps) {
  const isOn = useStore(store);
  return (
    <label className="switch">
      <input type="checkbox" checked={isOn} onChange={(event) => store.set(event.target.checked)} />
      {children}
    </label>
  );
}

/** Whether names that begin with a dot are shown, and looked through. */
export function HiddenSwitch() {
  const t = useT();
  return <Switch store={showHidden}>{t("files.hidden")}</Switch>;
}
