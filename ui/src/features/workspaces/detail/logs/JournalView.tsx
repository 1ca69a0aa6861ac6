import { useDeferredValue, useEffect, useMemo, useState } from "react";
import { LineStream } from "../../../../api/LineStream";
import type { JournalEntry, JournalLevel } from "../../../../api/types";
import { clockTime, dateTime } from "../../../../shared/format";
import { useT } from "../../../../shared/i18n/messages";
import { useStore } from "../../../../shared/Store";
import { LogFrame } from "./LogFrame";

/** What can be chosen: the rest of syslog's levels lie between them. */
const LEVELS = ["err", "warning", "notice", "info", "debug"] as const satisfies readonly JournalLevel[];
const URGENT = new Set<JournalLevel>(["emerg", "alert", "crit", "err"]);

const toneOf = (level: JournalLevel) =>
  URGENT.has(level) ? "log-error" : level === "warning" ? "log-warning" : "log-plain";

/** The journal of the running system, by level and words, as it grows. */
export function JournalView({ id }: { id: string }) {
  const t = useT();
  const [level, setLevel] = useState<JournalLevel>("info");
  const [text, setText] = useState("");
  const wanted = useDeferredValue(text.toLowerCase());
  const stream = useMemo(
    () => new LineStream<JournalEntry>(id, "journal", { follow: "1", lines: "1000", level }),
    [id, level],
  );
  useEffect(() => {
    stream.open();
    return () => stream.close();
  }, [stream]);
  const { lines, dropped, isOpen, isBroken } = useStore(stream.state);
  const shown = useMemo(
    () =>
      wanted
        ? lines.filter((entry) =>
            `${entry.unit} ${entry.program} ${entry.text}`.toLowerCase().includes(wanted),
          )
        : lines,
    [lines, wanted],
  );
  const none = t(lines.length > 0 ? "logs.noMatch" : isOpen ? "journal.empty" : "app.loading");
  return (
    <LogFrame
      name={t("logs.journal")}
      findName={t("journal.find")}
      text={text}
      onText={setText}
      choice={
        <label>
          {t("journal.level")}
          <select value={level} onChange={(event) => setLevel(event.target.value as JournalLevel)}>
            {LEVELS.map((one) => (
              <option key={one} value={one}>
                {t(`journal.level.${one}`)}
              </option>
            ))}
          </select>
        </label>
      }
      note={isBroken && <p className="muted">{t("logs.broken")}</p>}
      none={shown.length === 0 && !isBroken ? none : ""}
    >
      {shown.map((entry, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- a log only grows at its end
        <span key={dropped + index} className={`log-line ${toneOf(entry.level)}`}>
          <time className="log-time" dateTime={entry.at} title={dateTime(entry.at, t.locale)}>
            {clockTime(entry.at, t.locale)}
          </time>
          <b title={entry.unit}>{entry.program || entry.unit}</b> {entry.text}
          {"\n"}
        </span>
      ))}
    </LogFrame>
  );
}
