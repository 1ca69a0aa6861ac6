import { useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { ask, DIMENSIONS, groupsQuery, type Quota, quotasQuery, type User } from "../../api/people";
import { number } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";
import { Failed } from "./Failed";
import { usePeopleChange } from "./usePeopleChange";

type Dimension = (typeof DIMENSIONS)[number];
type Bounds = Partial<Record<Dimension, string>>;

/** All quotas beside what of them is used, and setting one. */
export function QuotaTable({ users }: { users: readonly User[] }) {
  const t = useT();
  const { data, error, isPending, refetch } = useQuery(quotasQuery);
  const columns: Column<Quota>[] = [
    { key: "name", head: t("people.quotaOf"), cell: ({ name }) => name },
    ...DIMENSIONS.map((dimension) => ({
      key: dimension,
      head: t(`people.${dimension}`),
      isFigure: true,
      cell: ({ used, allowed }: Quota) => {
        const bound = allowed[dimension];
        const has = number(used[dimension] ?? 0, t.locale);
        return bound === null ? has : t("people.ofAllowed", { used: has, allowed: number(bound, t.locale) });
      },
    })),
  ];
  return (
    <section className="card pad" aria-label={t("people.quotas")}>
      <h2>{t("people.quotas")}</h2>
      <p className="muted">{t("people.quotasHint")}</p>
      {isPending && <Skeleton lines={3} label={t("app.loading")} />}
      {error && !data && <Failed error={error} onRetry={() => void refetch()} />}
      {data?.quotas.length === 0 && <p>{t("people.quotasNone")}</p>}
      {data && data.quotas.length > 0 && (
        <Table
          label={t("people.quotas")}
          columns={columns}
          rows={data.quotas}
          keyOf={({ kind, subject_id }) => `${kind} ${subject_id}`}
        />
      )}
      <QuotaForm users={users} quotas={data?.quotas ?? []} />
    </section>
  );
}

function QuotaForm({ users, quotas }: { users: readonly User[]; quotas: readonly Quota[] }) {
  const t = useT();
  const groups = useQuery(groupsQuery).data?.groups ?? [];
  const [subject, setSubject] = useState("");
  const [bounds, setBounds] = useState<Bounds>({});
  const set = usePeopleChange(
    (wanted: Record<string, number | null>) => ask("PUT", ["quotas", ...subject.split("/")], wanted),
    quotasQuery.queryKey,
    () => t("people.quotaSet"),
  );
  const choose = (chosen: string) => {
    setSubject(chosen);
    const present = quotas.find(({ kind, subject_id }) => `${kind}s/${subject_id}` === chosen)?.allowed;
    setBounds(Object.fromEntries(DIMENSIONS.map((one) => [one, String(present?.[one] ?? "")])));
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const wanted = DIMENSIONS.map((one) => [one, bounds[one] ? Number(bounds[one]) : null] as const);
    set.mutate(Object.fromEntries(wanted));
  };
  return (
    <form className="form-grid" onSubmit={submit} aria-label={t("people.setQuota")}>
      <Field label={t("people.quotaOf")}>
        {(props) => (
          <select
            {...props}
            className="input"
            required
            value={subject}
            onChange={({ target }) => choose(target.value)}
          >
            <option value="" disabled>
              {t("people.choose")}
            </option>
            {users.map(({ id, handle }) => (
              <option key={id} value={`users/${id}`}>
                {handle}
              </option>
            ))}
            {groups.map(({ id, name }) => (
              <option key={id} value={`groups/${id}`}>
                {t("people.group")}: {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      {DIMENSIONS.map((dimension) => (
        <Field key={dimension} label={t(`people.${dimension}`)}>
          {(props) => (
            <input
              {...props}
              className="input"
              type="number"
              min={0}
              step={dimension === "workspaces" || dimension === "running" ? 1 : "any"}
              value={bounds[dimension] ?? ""}
              onChange={({ target }) => setBounds({ ...bounds, [dimension]: target.value })}
            />
          )}
        </Field>
      ))}
      <div className="form-actions">
        <Button type="submit" disabled={set.isPending || !subject}>
          {t("people.setQuota")}
        </Button>
      </div>
    </form>
  );
}
