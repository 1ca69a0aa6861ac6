import { useId } from "react";
import { useT } from "../../shared/i18n/messages";
import { isWider, type Mode, MODES } from "../../api/network";
import type { Network } from "./api";

interface ModeChoiceProps {
  network: Network;
  /** The mode that is in force, or is being put in force. */
  chosen: Mode;
  onChoose: (mode: Mode) => void;
}

/** The five modes in plain words; what the administrator's floor does not let out cannot be chosen. */
export function ModeChoice({ network, chosen, onChoose }: ModeChoiceProps) {
  const t = useT();
  const id = useId();
  const { floor, mode, effective_mode: effective } = network;
  const hasFloor = floor.mode !== "open";
  return (
    <section className="panel">
      <h3 id={id}>{t("network.mode")}</h3>
      {hasFloor && (
        <p className="network-floor">
          {t("network.floor", { mode: t(`network.mode.${floor.mode}`) })}
          {floor.reason && ` ${floor.reason}`}
        </p>
      )}
      <div role="radiogroup" aria-labelledby={id} className="network-modes">
        {MODES.map((one) => {
          const isBeyond = isWider(one, floor.mode) && one !== mode;
          return (
            <div key={one} className={isBeyond ? "network-mode muted" : "network-mode"}>
              <input
                type="radio"
                id={`${id}-${one}-choice`}
                name={id}
                checked={chosen === one}
                disabled={isBeyond}
                aria-describedby={`${id}-${one}`}
                onChange={() => onChoose(one)}
              />
              <div>
                <label htmlFor={`${id}-${one}-choice`}>{t(`network.mode.${one}`)}</label>
                <p id={`${id}-${one}`} className="field-hint">
                  {t(isBeyond ? "network.beyond" : `network.means.${one}`)}
                </p>
              </div>
            </div>
          );
        })}
      </div>
      {effective !== mode && !network.learning && (
        <p role="status">{t("network.effective", { mode: t(`network.mode.${effective}`) })}</p>
      )}
      <p className="field-hint">{t("network.never")}</p>
    </section>
  );
}
