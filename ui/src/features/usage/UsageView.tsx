import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { costsQuery, exportUrl, type Grouping, GROUPINGS, type Window, WINDOWS } from "../../api/costs";
import { reasonOf } from "../../api/mutations";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { usage } from "../../shared/i18n/usage.en";
import { money } from "../../shared/money";
import { useTitle } from "../../shared/useTitle";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Field } from "../../ui/Field";
import { Skeleton } from "../../ui/Skeleton";
import { BudgetCard } from "./BudgetCard";
import { CostTable } from "./CostTable";
import { DayChart } from "./DayChart";
import "./usage.css";

addEnglish(usage);

/** What was used and what it costs: now, this month, to be expected, and by anything. */
export function UsageView() {
  const t = useT();
  const [window, setWindow] = useState<Window>("month");
  const [by, setBy] = useState<Grouping>("workspace");
  const found = useQuery(costsQuery(window, by));
  const days = useQuery(costsQuery(window, "day"));
  useTitle(t("usage.title"));
  const { data, error } = found;
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("usage.title")}</h1>
      </header>
      {error && !data && (
        <EmptyState title={t("usage.title")} isAlert>
          <p>{reasonOf(error)}</p>
          <Button onClick={() => void found.refetch()}>{t("app.retry")}</Button>
        </EmptyState>
      )}
      {data?.currency && <Figures costs={data} />}
      <section className="card pad" aria-label={t("usage.table")}>
        <div className="form-grid">
          <Choice
            label={t("usage.window")}
            values={WINDOWS}
            value={window}
            onChange={setWindow}
            text={(one) => t(`usage.window.${one}`)}
          />
          <Choice
            label={t("usage.by")}
            values={GROUPINGS}
            value={by}
            onChange={setBy}
            text={(one) => t(`usage.by.${one}`)}
          />
        </div>
        {found.isPending && <Skeleton lines={6} label={t("app.loading")} />}
        {data && !data.currency && <p className="muted">{t("usage.noPrices")}</p>}
        {by === "group" && <p className="muted">{t("usage.groupsHint")}</p>}
        {data?.items.length === 0 && <p>{t("usage.none")}</p>}
        {data && data.items.length > 0 && <CostTable costs={data} by={by} />}
        {days.data?.currency && days.data.items.length > 1 && <DayChart costs={days.data} />}
        {data && <Exports month={data.begin.slice(0, 7)} />}
      </section>
      {data && <BudgetCard currency={data.currency} />}
    </div>
  );
}

function Choice<V extends string>({
  label,
  values,
  value,
  onChange,
  text,
}: {
  label: string;
  values: readonly V[];
  value: V;
  onChange: (chosen: V) => void;
  text: (one: V) => string;
}) {
  return (
    <Field label={label}>
      {(props) => (
        <select
          {...props}
          className="input"
          value={value}
          onChange={({ target }) => onChange(target.value as V)}
        >
          {values.map((one) => (
            <option key={one} value={one}>
              {text(one)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Figures({
  costs,
}: {
  costs: {
    currency: string;
    now_per_hour: string;
    month_so_far: string;
    forecast: { low: string; expected: string; high: string };
  };
}) {
  const t = useT();
  const written = (amount: string) => money(amount, costs.currency, t.locale);
  const { low, expected, high } = costs.forecast;
  return (
    <dl className="usage-figures">
      <div className="card pad">
        <dt>{t("usage.now")}</dt>
        <dd>{written(costs.now_per_hour)}</dd>
      </div>
      <div className="card pad">
        <dt>{t("usage.month")}</dt>
        <dd>{written(costs.month_so_far)}</dd>
      </div>
      <div className="card pad">
        <dt>{t("usage.expected")}</dt>
        <dd>
          {written(expected)}
          <span className="muted usage-spread">
            {t("usage.spread", { low: written(low), high: written(high) })}
          </span>
        </dd>
      </div>
    </dl>
  );
}

function Exports({ month }: { month: string }) {
  const t = useT();
  return (
    <p className="usage-exports">
      {t("usage.export", { month })}:{" "}
      <a href={exportUrl(month, "csv")} download>
        {t("usage.exportRecords")}
      </a>
      {["1.0", "1.3", "1.4"].map((version) => (
        <a key={version} href={exportUrl(month, `focus-${version}`)} download>
          {t("usage.exportFocus", { version })}
        </a>
      ))}
    </p>
  );
}
