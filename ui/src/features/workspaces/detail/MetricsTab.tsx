import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { reasonOf } from "../../../api/mutations";
import { historyQuery } from "../../../api/queries";
import { type Metrics, type MetricsHistory, type Span, SPANS } from "../../../api/types";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { more } from "../../../shared/i18n/more.en";
import { percent, timeFormat } from "../../../shared/format";
import type { Frame } from "./chartPath";
import { useFigures } from "../figures";
import { HistoryChart } from "./HistoryChart";
import { useDetail } from "../../../api/detail";
import { WideBox } from "../../../ui/WideBox";

addEnglish(more);

const SERIES: { key: keyof Metrics; label: "meter.cpu" | "meter.memory" | "meter.storage" }[] = [
  { key: "cpu_usage", label: "meter.cpu" },
  { key: "memory_usage", label: "meter.memory" },
  { key: "storage_usage", label: "meter.storage" },
];

const timesOf = (span: Span, locale: string): Intl.DateTimeFormat =>
  timeFormat(
    locale,
    span === "5m" || span === "1h" ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "short" },
  );

/** What the workspace uses and has used, as curves and as a table; which time is shown stands in the address. */
export function MetricsTab() {
  const t = useT();
  const detail = useDetail();
  const navigate = useNavigate();
  const search = useSearch({ strict: false });
  const span = search.span ?? "1h";
  const { now } = useFigures(detail.id, detail.status);
  const { data: history, error } = useQuery(historyQuery(detail.id, span));
  const time = useMemo(() => timesOf(span, t.locale), [span, t.locale]);
  return (
    <>
      <div className="segments" role="group" aria-label={t("metrics.span")}>
        {SPANS.map((one) => (
          <button
            key={one}
            type="button"
            className="segment"
            aria-pressed={one === span}
            onClick={() =>
              void navigate({
                to: ".",
                replace: true,
                search: (before: Record<string, unknown>) => ({ ...before, span: one }),
              })
            }
          >
            {t(`metrics.span.${one}`)}
          </button>
        ))}
      </div>
      {error && (
        <p className="field-problem" role="alert">
          {reasonOf(error)}
        </p>
      )}
      {history?.samples.length === 0 && <p className="placeholder muted">{t("metrics.none")}</p>}
      {history && history.samples.length > 0 && <Charts history={history} now={now} time={time} />}
      <p className="muted">{t("metrics.hint")}</p>
    </>
  );
}

interface ChartsProps {
  history: MetricsHistory;
  now: Metrics | null;
  time: Intl.DateTimeFormat;
}

function Charts({ history, now, time }: ChartsProps) {
  const t = useT();
  const frame: Frame = {
    begin: Date.parse(history.begin),
    end: Date.parse(history.end),
    step: history.step * 1000,
  };
  return (
    <>
      <div className="panels panels-charts">
        {SERIES.map(({ key, label }) => (
          <HistoryChart
            key={key}
            label={t(label)}
            now={now?.[key] ?? null}
            points={history.samples.map((sample) => ({ at: Date.parse(sample.at), value: sample[key] }))}
            frame={frame}
            time={time}
          />
        ))}
      </div>
      <FigureTable history={history} time={time} />
    </>
  );
}

function FigureTable({ history, time }: Pick<ChartsProps, "history" | "time">) {
  const t = useT();
  return (
    <details className="panel">
      <summary>{t("metrics.table")}</summary>
      <WideBox label={t("metrics.table")}>
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">{t("metrics.time")}</th>
              {SERIES.map(({ key, label }) => (
                <th key={key} scope="col">
                  {t(label)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {history.samples.toReversed().map((sample) => (
              <tr key={sample.at}>
                <td>{time.format(Date.parse(sample.at))}</td>
                {SERIES.map(({ key }) => (
                  <td key={key}>{percent(sample[key], t.locale)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </WideBox>
    </details>
  );
}
