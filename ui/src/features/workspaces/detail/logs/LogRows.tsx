import type { LogLine } from "../../../../api/types";
import { ansiSpans } from "../../../../shared/ansi";
import { clockTime } from "../../../../shared/format";
import { useT } from "../../../../shared/i18n/messages";
import type { LogLevel, LogRow } from "./logRows";

/** The rows of a log: where each phase began, every line with its time, evaluation folded into one. */
export function LogRows({ rows }: { rows: readonly LogRow[] }) {
  const t = useT();
  return rows.map((row) => {
    switch (row.kind) {
      case "phase":
        return (
          <span key={`phase-${row.phase}`} className="log-phase">
            {t(`phase.${row.phase}`)}
          </span>
        );
      case "fold":
        return (
          <details key={row.id} className="log-fold">
            <summary>{t.count("logs.evaluated", row.lines.length)}</summary>
            {row.lines.map((line, index) => (
              // oxlint-disable-next-line react/no-array-index-key -- a log only grows at its end
              <LogText key={index} line={line} level="plain" />
            ))}
          </details>
        );
      case "line":
        return <LogText key={row.id} line={row.line} level={row.level} />;
    }
  });
}

function LogText({ line, level }: { line: LogLine; level: LogLevel }) {
  const t = useT();
  return (
    <span className={`log-line log-${level}`}>
      {line.at && (
        <time className="log-time" dateTime={line.at}>
          {clockTime(line.at, t.locale)}
        </time>
      )}
      {ansiSpans(line.text).map((span, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the pieces of a line never change
        <span key={index} className={span.classes || undefined}>
          {span.text}
        </span>
      ))}
      {"\n"}
    </span>
  );
}
