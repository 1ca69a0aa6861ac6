import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { useSession } from "../../api/abilities";
import { AT_LIMIT, type Budget, budgetsQuery, setBudget } from "../../api/costs";
import { reasonOf } from "../../api/mutations";
import { percent } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { money } from "../../shared/money";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { type Column, Table } from "../../ui/Table";

/** The catalogue's word for the kind of what has a budget. */
const KINDS = { user: "usage.by.owner", group: "usage.by.group", workspace: "usage.by.workspace" } as const;

type Wanted = Parameters<typeof setBudget>;

/** Budgets with what of each is spent, and setting one. */
export function BudgetCard({ currency }: { currency: string }) {
  const t = useT();
  const client = useQueryClient();
  const isAdmin = useSession()?.role === "admin";
  const { data } = useQuery(budgetsQuery);
  const change = useMutation({
    mutationFn: ([subject, wanted]: Wanted) => setBudget(subject, wanted),
    onSuccess: (_, [, wanted]) => tell("success", t(wanted ? "usage.budgetSet" : "usage.budgetRemoved")),
    onError: (failure) => tell("error", reasonOf(failure)),
    onSettled: () => client.invalidateQueries({ queryKey: budgetsQuery.queryKey }),
  });
  const written = (amount: string) =>
    currency ? money(amount, currency, t.locale) : amount.replace(/0{4}$/, "");
  const columns: Column<Budget>[] = [
    {
      key: "name",
      head: t("usage.budgetOf"),
      isWhole: true,
      cell: ({ kind, name }) => `${t(KINDS[kind])}: ${name}`,
    },
    {
      key: "spent",
      head: t("usage.spent"),
      isWhole: true,
      cell: ({ spent, amount, percent: share, reached }) => (
        <>
          {t("usage.ofAmount", { spent: written(spent), amount: written(amount) })} (
          {percent(share, t.locale)}){reached && <strong> {t("usage.reached")}</strong>}
        </>
      ),
    },
    {
      key: "limit",
      head: t("usage.atLimit"),
      isWhole: true,
      cell: ({ at_limit }) => t(`usage.atLimit.${at_limit}`),
    },
  ];
  if (isAdmin)
    columns.push({
      key: "remove",
      head: t("usage.action"),
      cell: ({ subject, name }) => (
        <Button
          aria-label={t("usage.removeBudget", { name })}
          disabled={change.isPending}
          onClick={() => change.mutate([subject, null])}
        >
          {t("usage.removeIt")}
        </Button>
      ),
    });
  return (
    <section className="card pad" aria-label={t("usage.budgets")}>
      <h2>{t("usage.budgets")}</h2>
      <p className="muted">{t("usage.budgetsHint")}</p>
      {data?.budgets.length === 0 && <p>{t("usage.budgetsNone")}</p>}
      {data && data.budgets.length > 0 && (
        <Table
          label={t("usage.budgets")}
          columns={columns}
          rows={data.budgets}
          keyOf={({ subject }) => subject}
        />
      )}
      {isAdmin && <BudgetForm isBusy={change.isPending} onSet={(...wanted) => change.mutate(wanted)} />}
    </section>
  );
}

function BudgetForm({ isBusy, onSet }: { isBusy: boolean; onSet: (...wanted: Wanted) => void }) {
  const t = useT();
  const [subject, setSubject] = useState("");
  const [amount, setAmount] = useState("");
  const [atLimit, setAtLimit] = useState<string>("notify");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onSet(subject, { amount, at_limit: atLimit });
  };
  return (
    <form className="form-grid" onSubmit={submit} aria-label={t("usage.setBudget")}>
      <Field label={t("usage.subject")} hint={t("usage.subjectHint")}>
        {(props) => (
          <input
            {...props}
            required
            pattern="(user|group|workspace):.+"
            value={subject}
            onChange={({ target }) => setSubject(target.value)}
          />
        )}
      </Field>
      <Field label={t("usage.amount")}>
        {(props) => (
          <input
            {...props}
            required
            inputMode="decimal"
            value={amount}
            onChange={({ target }) => setAmount(target.value.replace(",", "."))}
          />
        )}
      </Field>
      <Field label={t("usage.atLimit")}>
        {(props) => (
          <select
            {...props}
            className="input"
            value={atLimit}
            onChange={({ target }) => setAtLimit(target.value)}
          >
            {AT_LIMIT.map((one) => (
              <option key={one} value={one}>
                {t(`usage.atLimit.${one}`)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <div className="form-actions">
        <Button type="submit" disabled={isBusy || !subject || !amount}>
          {t("usage.setBudget")}
        </Button>
      </div>
    </form>
  );
}
