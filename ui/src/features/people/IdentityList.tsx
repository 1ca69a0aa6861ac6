import { useMutation, useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { reasonOf } from "../../api/mutations";
import { ask, identitiesQuery, type Identity } from "../../api/people";
import { signInMethodsQuery } from "../../api/signIn";
import { useT } from "../../shared/i18n/messages";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { IconButton } from "../../ui/IconButton";
import { type Column, Table } from "../../ui/Table";
import { usePeopleChange } from "./usePeopleChange";

/** The accounts at the OpenID provider that sign one in; nothing where no provider is set. */
export function IdentityList() {
  const t = useT();
  const name = useQuery(signInMethodsQuery).data?.openid?.name;
  const identities = useQuery({ ...identitiesQuery, enabled: Boolean(name) }).data?.identities;
  const connect = useMutation({
    mutationFn: () => ask<{ url: string }>("POST", ["me", "identities"]),
    onSuccess: ({ url }) => location.assign(url),
    onError: (failure) => tell("error", reasonOf(failure)),
  });
  const disconnect = usePeopleChange(
    (id: string) => ask("DELETE", ["me", "identities", id]),
    identitiesQuery.queryKey,
    () => t("me.disconnected"),
  );
  if (!name || !identities) return null;
  const day = (at: string | null) => (at ? new Date(at).toLocaleDateString(t.locale) : "–");
  const columns: Column<Identity>[] = [
    {
      key: "subject",
      head: t("me.identity"),
      cell: ({ subject, issuer }) => (
        <>
          {subject} <span className="muted">{new URL(issuer).host}</span>
        </>
      ),
    },
    { key: "since", head: t("me.connected"), cell: ({ created_at }) => day(created_at) },
    { key: "used", head: t("me.used"), cell: ({ used_at }) => day(used_at) },
    {
      key: "disconnect",
      head: t("me.disconnect"),
      cell: ({ id, subject }) => (
        <IconButton
          icon={Trash2}
          label={t("me.disconnectOne", { name: subject })}
          onClick={() => disconnect.mutate(id)}
        />
      ),
    },
  ];
  const title = t("me.identities", { name });
  return (
    <section className="card pad" aria-label={title}>
      <h2>{title}</h2>
      <p className="muted">{t("me.identitiesHint")}</p>
      {identities.length ? (
        <Table label={title} columns={columns} rows={identities} keyOf={({ id }) => id} />
      ) : (
        <p>{t("me.identitiesNone")}</p>
      )}
      <Button disabled={connect.isPending} onClick={() => connect.mutate()}>
        {t("me.connect")}
      </Button>
    </section>
  );
}
