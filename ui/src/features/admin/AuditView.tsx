import { useInfiniteQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { request } from "../../api/client";
import { reasonOf } from "../../api/mutations";
import type { components } from "../../api/schema";
import { dateTime, number } from "../../shared/format";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { useTitle } from "../../shared/useTitle";
import { Badge } from "../../ui/Badge";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Field } from "../../ui/Field";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";
import { changes } from "./changes";
import "./audit.css";

addEnglish(more);

type Page = components["schemas"]["AuditList"];
type Entry = components["schemas"]["AuditEntryAnswer"];

const NAMES = ["actor", "action", "workspace", "outcome"] as const;
const KINDS = ["change", "access", "refusal", "use", "system", "record"] as const;
type Filters = Partial<Record<(typeof NAMES)[number] | "kind" | "since", string>>;

/** What was done, by whom, with what was changed, and how far the log has been verified. */
export function AuditView() {
  const t = useT();
  const [filters, setFilters] = useState<Filters>({});
  useTitle(t("audit.title"));
  const { data, error, isPending, hasNextPage, fetchNextPage, isFetching, refetch } = useInfiniteQuery({
    queryKey: ["audit", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      request<Page>("GET", "/api/nixos/audit", { query: { ...filters, cursor: pageParam }, signal }),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const entries = data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("audit.title")}</h1>
        {data?.pages[0] && <Verified page={data.pages[0]} />}
        <Button isSmall disabled={isFetching} onClick={() => void refetch()}>
          {t("admin.again")}
        </Button>
      </header>
      <FilterForm onChoose={setFilters} />
      {isPending && <Skeleton lines={8} label={t("app.loading")} />}
      {error && !data && (
        <EmptyState title={t("audit.failed")} isAlert>
          <p>{reasonOf(error)}</p>
          <Button onClick={() => void refetch()}>{t("app.retry")}</Button>
        </EmptyState>
      )}
      {data && entries.length === 0 && <EmptyState title={t("audit.none")} />}
      {entries.length > 0 && <Entries entries={entries} />}
      {hasNextPage && (
        <p className="pad">
          <Button disabled={isFetching} onClick={() => void fetchNextPage()}>
            {t("audit.older")}
          </Button>
        </p>
      )}
    </div>
  );
}

/** How far the service itself has compared the entries with their hashes and checkpoints. */
function Verified({ page: { verified, size } }: { page: Page }) {
  const t = useT();
  const isBad = verified.first_bad !== null;
  const Icon = isBad ? CircleAlert : CircleCheck;
  const figures = { size: number(verified.size, t.locale), total: number(size, t.locale) };
  return (
    <span className={`status ${isBad ? "status-error" : "status-running"}`}>
      <Icon aria-hidden size={16} />
      {isBad
        ? t("audit.bad", { number: verified.first_bad ?? 0 })
        : verified.at
          ? t("audit.verified", { ...figures, at: dateTime(verified.at, t.locale) })
          : t("audit.unverified")}
    </span>
  );
}

function FilterForm({ onChoose }: { onChoose: (filters: Filters) => void }) {
  const t = useT();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const chosen: Filters = {};
    for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement)) {
      const text = String(value).trim();
      if (!text) continue;
      chosen[name as keyof Filters] = name === "since" ? new Date(text).toISOString() : text;
    }
    onChoose(chosen);
  };
  return (
    <form className="card pad audit-filters" onSubmit={submit} aria-label={t("audit.filter")}>
      {NAMES.map((name) => (
        <Field key={name} label={t(`audit.${name}`)}>
          {(props) => <input {...props} className="input" name={name} maxLength={64} spellCheck={false} />}
        </Field>
      ))}
      <Field label={t("audit.kind")}>
        {(props) => (
          <select {...props} className="input" name="kind">
            <option value="">{t("audit.every")}</option>
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {t(`audit.kind.${kind}`)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t("audit.since")}>
        {(props) => <input {...props} className="input" name="since" type="date" />}
      </Field>
      <div className="form-actions">
        <Button kind="primary" type="submit">
          {t("audit.show")}
        </Button>
      </div>
    </form>
  );
}

function Entries({ entries }: { entries: readonly Entry[] }) {
  const t = useT();
  const columns: Column<Entry>[] = [
    { key: "seq", head: t("audit.number"), cell: ({ seq }) => seq, isFigure: true },
    { key: "at", head: t("audit.at"), cell: ({ at }) => <time dateTime={at}>{dateTime(at, t.locale)}</time> },
    { key: "actor", head: t("audit.actor"), isWhole: true, cell: ({ actor }) => actor },
    { key: "action", head: t("audit.action"), isWhole: true, cell: ({ action }) => <code>{action}</code> },
    {
      key: "about",
      head: t("audit.about"),
      cell: (entry) => (
        <>
          <code>{[entry.workspace_id, entry.target].filter(Boolean).join(" ")}</code>
          <Details entry={entry} />
        </>
      ),
    },
    {
      key: "outcome",
      head: t("audit.outcome"),
      cell: ({ outcome }) =>
        outcome === "accepted" ? t("audit.accepted") : <Badge tone="error">{outcome}</Badge>,
    },
  ];
  return (
    <section className="card">
      <Table label={t("audit.title")} columns={columns} rows={entries} keyOf={({ seq }) => seq} />
    </section>
  );
}

/** The origin of an entry, and the difference that it made. */
function Details({ entry }: { entry: Entry }) {
  const t = useT();
  const changed = changes(entry.before, entry.after);
  const { detail } = entry;
  const origin = [entry.address, ...entry.chain, entry.request_id].filter(Boolean);
  const rest = changed.length === 0 && detail ? JSON.stringify(detail, null, 1) : "";
  return (
    <details className="audit-details">
      <summary>{changed.length > 0 ? t.count("audit.changes", changed.length) : t("audit.details")}</summary>
      {changed.length > 0 && (
        <dl className="audit-diff">
          {changed.map(({ path, before, after }) => (
            <div key={path}>
              <dt>{path}</dt>
              <dd>
                {before !== undefined && <del>{before}</del>} {after !== undefined && <ins>{after}</ins>}
              </dd>
            </div>
          ))}
        </dl>
      )}
      {rest && (
        <pre>
          <code>{rest}</code>
        </pre>
      )}
      <p className="muted">{t("audit.origin", { origin: origin.join(" · ") || "–" })}</p>
    </details>
  );
}
