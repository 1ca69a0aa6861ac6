import type { CostItem, Costs, Grouping } from "../../api/costs";
import { number, percent } from "../../shared/format";
import { type Translate, useT } from "../../shared/i18n/messages";
import { money } from "../../shared/money";
import { type Column, Table } from "../../ui/Table";

/** Costs, or use where there are no prices, with their sum in the last row. */
export function CostTable({ costs, by }: { costs: Costs; by: Grouping }) {
  const t = useT();
  const columns: Column<CostItem>[] = [
    {
      key: "name",
      head: t(`usage.by.${by}`),
      cell: (item) => (item === costs.total ? <strong>{t("usage.all")}</strong> : nameOf(item, by, t)),
    },
    ...(costs.currency ? moneyColumns(costs.currency, t) : usedColumns(t)),
    {
      key: "efficiency",
      head: t("usage.efficiency"),
      isFigure: true,
      cell: ({ total_efficiency: used }) => (used === null ? "–" : percent(used * 100, t.locale)),
    },
  ];
  const rows =
    by === "day" ? costs.items.toSorted((a, b) => (a.day ?? "").localeCompare(b.day ?? "")) : costs.items;
  return (
    <Table
      label={t("usage.table")}
      columns={columns}
      rows={[...rows, costs.total]}
      keyOf={(item) => (item === costs.total ? "total" : keyOf(item, by))}
    />
  );
}

const keyOf = (item: CostItem, by: Grouping): string =>
  (by === "day" || by === "template" ? item[by] : item[`${by}_id`]) ?? "";

function nameOf(item: CostItem, by: Grouping, t: Translate): string {
  return item[by] || (by === "group" ? t("usage.noGroup") : keyOf(item, by));
}

function moneyColumns(currency: string, t: Translate): Column<CostItem>[] {
  const parts = ["cpu", "memory", "storage", "network", "total"] as const;
  return parts.map((part) => ({
    key: part,
    head: t(`usage.${part}`),
    isFigure: true,
    cell: (item: CostItem) => money(item[`${part}_cost`], currency, t.locale),
  }));
}

function usedColumns(t: Translate): Column<CostItem>[] {
  const parts = [
    ["usage.cpuHours", "cpu_hours_used"],
    ["usage.memoryHours", "memory_gb_hours_used"],
    ["usage.storageMonths", "storage_gb_months"],
    ["usage.sent", "egress_gb"],
  ] as const;
  return parts.map(([head, field]) => ({
    key: field,
    head: t(head),
    isFigure: true,
    cell: ({ usage }: CostItem) => number(usage[field], t.locale, 3),
  }));
}
