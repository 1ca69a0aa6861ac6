import type { Metrics } from "../api/types";
import { useT } from "../i18n/messages";
import { percent } from "../shared/format";
import { type Sample, useFigures } from "./figures";
import { Sparkline } from "./Sparkline";
import { useDetail } from "./WorkspaceDetailView";

const FIGURES_MS = 3_000;
const SERIES: { key: keyof Metrics; label: "meter.cpu" | "meter.memory" | "meter.storage" }[] = [
  { key: "cpu_usage", label: "meter.cpu" },
  { key: "memory_usage", label: "meter.memory" },
  { key: "storage_usage", label: "meter.storage" },
];

/** What the workspace uses, as curves and as a table. */
export function MetricsTab() {
  const t = useT();
  const detail = useDetail();
  const { now, past } = useFigures(detail.id, detail.status, FIGURES_MS);
  if (detail.status !== "running" && past.length === 0)
    return <p className="placeholder muted">{t("metrics.none")}</p>;
  return (
    <>
      <p className="muted">{t("metrics.hint")}</p>
      <div className="panels">
        {SERIES.map(({ key, label }) => (
          <section key={key} className="panel">
            <h3>
              {t(label)} <span className="muted">{now ? percent(now[key], t.locale) : ""}</span>
            </h3>
            <div className="chart-wrap">
              <Sparkline values={past.map((sample) => sample.metrics?.[key] ?? null)} label={t(label)} />
            </div>
          </section>
        ))}
      </div>
      <FigureTable past={past} />
    </>
  );
}

function FigureTable({ past }: { past: readonly Sample[] }) {
  const t = useT();
  const time = new Intl.DateTimeFormat(t.locale, { timeStyle: "medium" });
  return (
    <details className="panel">
      <summary>{t("metrics.table")}</summary>
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
          {past.toReversed().map((sample) => (
            <tr key={sample.at}>
              <td>{time.format(sample.at)}</td>
              {SERIES.map(({ key }) => (
                <td key={key}>{sample.metrics ? percent(sample.metrics[key], t.locale) : "–"}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
