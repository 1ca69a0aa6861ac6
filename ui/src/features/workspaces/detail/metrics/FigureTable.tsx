import type { MetricsSeries } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { WideBox } from "../../../../ui/WideBox";
import { CHARTS, pointsOf, shown } from "./figureCharts";

interface FigureTableProps {
  series: MetricsSeries;
  time: Intl.DateTimeFormat;
}

/** All figures of the charts, the newest first. */
export function FigureTable({ series, time }: FigureTableProps) {
  const t = useT();
  const columns = CHARTS.flatMap(({ label, lines, unit }) =>
    lines.map((line) => ({
      name: lines.length > 1 ? `${t(label)}: ${t(line.label)}` : t(label),
      unit,
      values: new Map(pointsOf(series, line).map(({ at, value }) => [at, value])),
    })),
  ).filter(({ values }) => values.size > 0);
  return (
    <details className="panel">
      <summary>{t("metrics.table")}</summary>
      <WideBox label={t("metrics.table")}>
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">{t("metrics.time")}</th>
              {columns.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {series.at.toReversed().map((at) => (
              <tr key={at}>
                <td>{time.format(Date.parse(at))}</td>
                {columns.map(({ name, unit, values }) => {
                  const value = values.get(Date.parse(at));
                  return <td key={name}>{value === undefined ? "" : shown(value, unit, t.locale)}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </WideBox>
    </details>
  );
}
