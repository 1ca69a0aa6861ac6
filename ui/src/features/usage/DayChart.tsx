import type { Costs } from "../../api/costs";
import { timeFormat } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { money } from "../../shared/money";

/** The costs of each day as bars; the same is in the table by day. */
export function DayChart({ costs }: { costs: Costs }) {
  const t = useT();
  const days = costs.items
    .map(({ day, total_cost }) => ({ day: day ?? "", cost: total_cost }))
    .toSorted((a, b) => a.day.localeCompare(b.day));
  const most = Math.max(...days.map(({ cost }) => Number(cost)));
  const format = timeFormat(t.locale, { day: "numeric", month: "short", timeZone: "UTC" });
  return (
    <figure className="usage-days">
      <figcaption>{t("usage.days")}</figcaption>
      <ol aria-label={t("usage.days")}>
        {days.map(({ day, cost }) => {
          const text = t("usage.dayCost", {
            day: format.format(new Date(day)),
            cost: money(cost, costs.currency, t.locale),
          });
          return (
            <li key={day} title={text}>
              <span className="visually-hidden">{text}</span>
              <span
                aria-hidden
                className="usage-bar"
                style={{ blockSize: `${most ? (Number(cost) / most) * 100 : 0}%` }}
              />
            </li>
          );
        })}
      </ol>
    </figure>
  );
}
