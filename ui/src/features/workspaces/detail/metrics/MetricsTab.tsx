import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useDetail } from "../../../../api/detail";
import { reasonOf } from "../../../../api/mutations";
import { generationsQuery, workspacesQuery } from "../../../../api/queries";
import { type Metrics, type MetricsSeries, type Span, SPANS } from "../../../../api/types";
import { addEnglish, useT } from "../../../../shared/i18n/messages";
import { more } from "../../../../shared/i18n/more.en";
import { timeFormat } from "../../../../shared/format";
import { useFigures } from "../../figures";
import type { Frame } from "./chartPath";
import { FigureTable } from "./FigureTable";
import { CHARTS, type Mark, marksOf, pointsOf } from "./figureCharts";
import { type Curve, HistoryChart } from "./HistoryChart";
import { seriesQuery } from "./seriesQuery";
import "./metrics.css";

addEnglish(more);

const NOW: Partial<Record<(typeof CHARTS)[number]["label"], keyof Metrics>> = {
  "metrics.chart.cpu": "cpu_usage",
  "metrics.chart.memory": "memory_usage",
  "metrics.chart.storage": "storage_usage",
};

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
  const [otherId, setOther] = useState("");
  const { now } = useFigures(detail.id, detail.status);
  const { data: series, error } = useQuery(seriesQuery(detail.id, span));
  const { data: other } = useQuery({ ...seriesQuery(otherId, span), enabled: otherId !== "" });
  const { data: generations } = useQuery(generationsQuery(detail.id));
  const time = useMemo(() => timesOf(span, t.locale), [span, t.locale]);
  const marks = useMemo(
    () => (series ? marksOf(series, generations?.map((one) => one.created_at) ?? []) : []),
    [series, generations],
  );
  return (
    <>
      <div className="metrics-head">
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
        <OtherChoice own={detail.id} chosen={otherId} onChoose={setOther} />
      </div>
      {error && (
        <p className="field-problem" role="alert">
          {reasonOf(error)}
        </p>
      )}
      {series?.at.length === 0 && <p className="placeholder muted">{t("metrics.none")}</p>}
      {series && series.at.length > 0 && (
        <Charts series={series} other={otherId ? other : undefined} now={now} marks={marks} time={time} />
      )}
      <p className="muted">{t("metrics.hint")}</p>
    </>
  );
}

interface OtherChoiceProps {
  own: string;
  chosen: string;
  onChoose: (id: string) => void;
}

function OtherChoice({ own, chosen, onChoose }: OtherChoiceProps) {
  const t = useT();
  const { data: workspaces } = useQuery(workspacesQuery);
  const others = workspaces?.filter(({ id }) => id !== own) ?? [];
  if (others.length === 0) return null;
  return (
    <label className="metrics-other">
      {t("metrics.compare")}
      <select className="input" value={chosen} onChange={(event) => onChoose(event.target.value)}>
        <option value="">{t("metrics.compareNone")}</option>
        {others.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

interface ChartsProps {
  series: MetricsSeries;
  other: MetricsSeries | undefined;
  now: Metrics | null;
  marks: readonly Mark[];
  time: Intl.DateTimeFormat;
}

function Charts({ series, other, now, marks, time }: ChartsProps) {
  const t = useT();
  const frame: Frame = {
    begin: Date.parse(series.begin),
    end: Date.parse(series.end),
    step: series.step * 1000,
  };
  return (
    <>
      <div className="panels metrics-charts">
        {CHARTS.map(({ label, lines, unit }) => {
          const own: Curve[] = lines.map((line, tone) => ({
            tone,
            label: t(line.label),
            points: pointsOf(series, line),
          }));
          const others: Curve[] = other
            ? lines.map((line, tone) => ({
                tone,
                label: t("metrics.ofOther", { figure: t(line.label) }),
                points: pointsOf(other, line),
                isOther: true,
              }))
            : [];
          if (own.every(({ points }) => points.length === 0)) return null;
          const key = NOW[label];
          return (
            <HistoryChart
              key={label}
              label={t(label)}
              now={key ? (now?.[key] ?? null) : null}
              curves={[...own, ...others]}
              unit={unit}
              marks={marks}
              frame={frame}
              time={time}
            />
          );
        })}
      </div>
      {marks.length > 0 && (
        <ul className="metrics-marks" aria-label={t("metrics.marks")}>
          {marks.slice(-8).map(({ at, kind }) => (
            <li key={`${kind} ${at}`} className={`chart-key-${kind}`}>
              {t(`metrics.mark.${kind}`, { at: time.format(at) })}
            </li>
          ))}
        </ul>
      )}
      <FigureTable series={series} time={time} />
    </>
  );
}
