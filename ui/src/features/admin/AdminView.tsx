import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, CircleCheck } from "lucide-react";
import { reasonOf } from "../../api/mutations";
import { healthQuery, workspacesQuery } from "../../api/queries";
import type { Capacity, Health } from "../../api/types";
import { gigabytes, number } from "../../shared/format";
import { addEnglish, type Translate, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { checkName, packageSetName } from "../../shared/i18n/names";
import { Meter } from "../../shared/Meter";
import { useTitle } from "../../shared/useTitle";
import { Button, buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";

addEnglish(more);

const LOOK_MS = 15_000;

type Finding = Health["items"][number];

/** Whether the service is well: what its own checks found with the remedy, and what the machine has left. */
export function AdminView() {
  const t = useT();
  const { data, error, isPending, refetch, isFetching } = useQuery({
    ...healthQuery,
    refetchInterval: LOOK_MS,
  });
  useTitle(t("admin.title"));
  const wrong = data?.items.filter((one) => !one.ok).length ?? 0;
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("admin.title")}</h1>
        {data && (
          <span className={wrong ? "status status-stopped" : "status status-running"}>
            {wrong ? t.count("admin.wrong", wrong) : t("admin.well")}
          </span>
        )}
        <Button isSmall disabled={isFetching} onClick={() => void refetch()}>
          {t("admin.again")}
        </Button>
        <Link to="/admin/users" className={buttonClass("plain", true)}>
          {t("people.title")}
        </Link>
        <Link to="/admin/audit" className={buttonClass("plain", true)}>
          {t("admin.audit")}
        </Link>
      </header>
      {isPending && <Skeleton lines={8} label={t("app.loading")} />}
      {error && !data && (
        <EmptyState title={t("admin.failed")} isAlert>
          <p>{reasonOf(error)}</p>
        </EmptyState>
      )}
      {data?.capacity && <CapacityCard capacity={data.capacity} />}
      {data && <Findings health={data} />}
      {data && data.response_times.length > 0 && <Times health={data} />}
    </div>
  );
}

const used = (total: number, free: number) => (total > 0 ? ((total - free) / total) * 100 : 0);

function CapacityCard({ capacity }: { capacity: Capacity }) {
  const t = useT();
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  const sharing = workspaces.filter((one) => one.status === "running").length;
  const free = (left: number) => t("capacity.free", { amount: gigabytes(left, t.locale, 1) });
  return (
    <section className="card pad" aria-label={t("capacity.title")}>
      <h2>{t("capacity.title")}</h2>
      <p className="muted">
        {t("capacity.cores", {
          cores: t.count("meter.cores", capacity.cpu_total),
          sharing: t.count("capacity.sharing", sharing),
        })}
      </p>
      <Meter
        label={t("meter.memory")}
        value={used(capacity.memory_total, capacity.memory_free)}
        text={free(capacity.memory_free)}
      />
      <Meter
        label={t("meter.storage")}
        value={used(capacity.storage_total, capacity.storage_free)}
        text={free(capacity.storage_free)}
      />
    </section>
  );
}

/** The package set by its name in the language in force. */
const namedSet = (t: Translate, said: Finding["said"]): Finding["said"] =>
  said.values.set ? { ...said, values: { set: packageSetName(t, said.values.set) } } : said;

type ResponseTime = Health["response_times"][number];

/** How fast the service answers, by route. */
function Times({ health }: { health: Health }) {
  const t = useT();
  const figure = (value: number) => number(value, t.locale);
  const columns: Column<ResponseTime>[] = [
    {
      key: "route",
      head: t("admin.route"),
      cell: ({ method, route }) => (
        <code>
          {method} {route}
        </code>
      ),
    },
    { key: "count", head: t("admin.count"), cell: ({ count }) => figure(count), isFigure: true },
    { key: "p50", head: t("admin.p50"), cell: ({ p50_ms: ms }) => figure(ms), isFigure: true },
    { key: "p95", head: t("admin.p95"), cell: ({ p95_ms: ms }) => figure(ms), isFigure: true },
  ];
  return (
    <section className="card">
      <h2 className="pad">{t("admin.times")}</h2>
      <Table
        label={t("admin.times")}
        columns={columns}
        rows={health.response_times}
        keyOf={({ method, route }) => method + route}
      />
    </section>
  );
}

/** What is wrong comes first. */
function Findings({ health }: { health: Health }) {
  const t = useT();
  const rows = health.items.toSorted((a, b) => Number(a.ok) - Number(b.ok));
  const columns: Column<Finding>[] = [
    {
      key: "state",
      head: t("admin.state"),
      cell: ({ ok }) => (
        <span className={`status ${ok ? "status-running" : "status-error"}`}>
          {ok ? <CircleCheck aria-hidden size={16} /> : <CircleAlert aria-hidden size={16} />}
          <span className="check-word">{t(ok ? "admin.ok" : "admin.notOk")}</span>
        </span>
      ),
    },
    { key: "code", head: t("admin.check"), cell: ({ code }) => checkName(t, code) },
    {
      key: "message",
      head: t("admin.finding"),
      cell: ({ message, remedy, said, ok }) => (
        <>
          <p>{t.said(namedSet(t, said), message)}</p>
          {!ok && remedy && <p className="muted">{t("admin.remedy", { remedy: t.remedy(said, remedy) })}</p>}
        </>
      ),
    },
  ];
  return (
    <section className="card">
      <Table
        label={t("admin.checks")}
        columns={columns}
        rows={rows}
        keyOf={({ code, message }) => code + message}
      />
      <p className="muted pad">
        {t("admin.version", { version: health.version, set: packageSetName(t, health.package_set) })}
      </p>
    </section>
  );
}
