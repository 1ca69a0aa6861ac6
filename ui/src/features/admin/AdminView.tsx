import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useSession } from "../../api/abilities";
import { reasonOf } from "../../api/mutations";
import { healthQuery, workspacesQuery } from "../../api/queries";
import type { Capacity, Health } from "../../api/types";
import { gigabytes, number } from "../../shared/format";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { packageSetName } from "../../shared/i18n/names";
import { Meter } from "../../shared/Meter";
import { tell } from "../../shared/toasts";
import { useTitle } from "../../shared/useTitle";
import { Button, buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";
import { asText, Findings } from "./Findings";

addEnglish(more);

const LOOK_MS = 15_000;

/** Whether the service is well: what its own checks found with the remedy, and what the machine has left. */
export function AdminView() {
  const t = useT();
  const session = useSession();
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
        {data && (
          <Button
            isSmall
            onClick={() =>
              void navigator.clipboard.writeText(asText(t, data)).then(() => tell("success", t("app.copied")))
            }
          >
            {t("admin.copy")}
          </Button>
        )}
        {session?.role === "admin" && (
          <a href="/api/nixos/support" download className={buttonClass("plain", true)}>
            {t("admin.support")}
          </a>
        )}
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
      {data && (
        <p className="muted">
          {t("admin.version", { version: data.version, set: packageSetName(t, data.package_set) })}
        </p>
      )}
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
