import { useQuery } from "@tanstack/react-query";
import { LogOut } from "lucide-react";
import { ask, type BrowserSession, sessionsQuery } from "../../api/people";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { IconButton } from "../../ui/IconButton";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";
import { browserOf } from "./browserOf";
import { Failed } from "./Failed";
import { usePeopleChange } from "./usePeopleChange";

/** The browsers that are signed in: end one, or all others. */
export function SessionList() {
  const t = useT();
  const { data, error, refetch } = useQuery(sessionsQuery);
  const end = usePeopleChange(
    (parts: readonly string[]) => ask<unknown>("DELETE", ["sessions", ...parts]),
    sessionsQuery.queryKey,
    () => t("me.ended"),
  );
  const columns: Column<BrowserSession>[] = [
    { key: "device", head: t("me.device"), cell: ({ device }) => <Agent text={device} /> },
    { key: "address", head: t("me.address"), isWhole: true, cell: ({ address }) => address },
    {
      key: "used",
      head: t("me.used"),
      isWhole: true,
      cell: ({ last_used_at, created_at }) =>
        new Date(last_used_at ?? created_at).toLocaleString(t.locale, {
          dateStyle: "short",
          timeStyle: "short",
        }),
    },
    {
      key: "end",
      head: t("me.end"),
      isWhole: true,
      cell: ({ id, address, is_current }) =>
        is_current ? (
          t("me.thisOne")
        ) : (
          <IconButton
            icon={LogOut}
            label={t("me.endOne", { name: address })}
            onClick={() => end.mutate([id])}
          />
        ),
    },
  ];
  return (
    <section className="card pad" aria-label={t("me.sessions")}>
      <h2>{t("me.sessions")}</h2>
      {error && !data && <Failed error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton lines={2} label={t("app.loading")} />}
      {data && (
        <Table label={t("me.sessions")} columns={columns} rows={data.sessions} keyOf={({ id }) => id} />
      )}
      {data?.sessions.some(({ is_current }) => !is_current) && (
        <div className="form-actions">
          <Button disabled={end.isPending} onClick={() => end.mutate([])}>
            {t("me.endOthers")}
          </Button>
        </div>
      )}
    </section>
  );
}

/** A browser as a person calls it; what calls itself otherwise, as it does. */
function Agent({ text }: { text: string }) {
  const t = useT();
  const found = browserOf(text);
  return <span title={found && text}>{found ? t("me.browserOn", found) : text || "–"}</span>;
}
