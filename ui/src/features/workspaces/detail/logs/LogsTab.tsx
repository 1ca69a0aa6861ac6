import { useState } from "react";
import { useDetail } from "../../../../api/detail";
import { NeedsRunning } from "../../../../api/NeedsRunning";
import { addEnglish, useT } from "../../../../shared/i18n/messages";
import { more } from "../../../../shared/i18n/more.en";
import { JournalView } from "./JournalView";
import { LogView } from "./LogView";

addEnglish(more);

const LOGS = ["build", "journal"] as const;

/** The log of the last build and boot, and beside it what the running system says. */
export function LogsTab() {
  const t = useT();
  const detail = useDetail();
  const { id, name, status } = detail;
  const [chosen, setChosen] = useState<(typeof LOGS)[number]>("build");
  return (
    <>
      <div className="segments" role="group" aria-label={t("detail.logs")}>
        {LOGS.map((one) => (
          <button
            key={one}
            type="button"
            className="chip"
            aria-pressed={one === chosen}
            onClick={() => setChosen(one)}
          >
            {t(`logs.${one}`)}
          </button>
        ))}
      </div>
      {chosen === "build" && <LogView key={id} id={id} name={name} />}
      {chosen === "journal" && status === "running" && <JournalView key={id} id={id} />}
      {chosen === "journal" && status !== "running" && (
        <NeedsRunning workspace={detail} title={t("journal.needsRunning")}>
          <p>{t("journal.kept")}</p>
        </NeedsRunning>
      )}
    </>
  );
}
