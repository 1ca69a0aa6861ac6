import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { reasonOf } from "../../api/mutations";
import { type Secret, secretsQuery, useDeleteSecret, useDeliverPersonal } from "../../api/secrets";
import { dateTime } from "../../shared/format";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { EmptyState } from "../../ui/EmptyState";
import { IconButton } from "../../ui/IconButton";
import { type Column, Table } from "../../ui/Table";
import { SecretForm } from "./SecretForm";

addEnglish(more);

/** The secrets of a workspace, or of the signed-in person: set, listed and deleted, never shown. */
export function SecretsPanel({ workspaceId }: { workspaceId: string | null }) {
  const t = useT();
  const { data, error } = useQuery(secretsQuery(workspaceId));
  const remove = useDeleteSecret(workspaceId);
  const [asked, setAsked] = useState<Secret | null>(null);
  // A workspace's own name is the heading above those of its views.
  const Heading = workspaceId === null ? "h2" : "h3";
  const columns: Column<Secret>[] = [
    { key: "name", head: t("secrets.name"), isWhole: true, cell: ({ name }) => <code>{name}</code> },
    { key: "kind", head: t("secrets.kind"), cell: ({ kind }) => t(`secrets.${kind}`) },
    { key: "where", head: t("secrets.where"), cell: ({ path, host }) => path ?? host ?? "" },
    { key: "length", head: t("secrets.length"), isWhole: true, cell: ({ length }) => t(`secrets.${length}`) },
    { key: "at", head: t("secrets.at"), isWhole: true, cell: ({ updated_at: at }) => dateTime(at, t.locale) },
    {
      key: "delete",
      head: t("action.delete"),
      cell: (secret) => (
        <IconButton
          icon={Trash2}
          label={t("secrets.delete", { name: secret.name })}
          onClick={() => setAsked(secret)}
        />
      ),
    },
  ];
  const doDelete = ({ name }: Secret) =>
    remove.mutate(name, {
      onSuccess: () => tell("success", t("secrets.deleted", { name })),
      onError: (failure) => tell("error", reasonOf(failure)),
      onSettled: () => setAsked(null),
    });
  return (
    <>
      <section className="panel">
        <Heading>{t(workspaceId === null ? "secrets.mine" : "secrets.title")}</Heading>
        <p className="muted">{t(workspaceId === null ? "secrets.mineHint" : "secrets.hint")}</p>
        {error && <p className="field-problem">{reasonOf(error)}</p>}
        {data?.delivery?.problem && (
          <p className="field-problem" role="alert">
            {data.delivery.problem}
          </p>
        )}
        {workspaceId !== null && data?.personal === "withheld" && <Withheld workspaceId={workspaceId} />}
        {data && data.secrets.length === 0 && <EmptyState title={t("secrets.none")} />}
        {data && data.secrets.length > 0 && (
          <Table
            label={t("secrets.title")}
            columns={columns}
            rows={data.secrets}
            keyOf={({ name }) => name}
          />
        )}
      </section>
      <SecretForm workspaceId={workspaceId} />
      {asked && (
        <Confirm
          title={t("secrets.delete", { name: asked.name })}
          description={t("secrets.deleteHint")}
          verb={t("action.delete")}
          isDangerous
          isBusy={remove.isPending}
          onConfirm={() => doDelete(asked)}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}

const tellFailure = (failure: Error) => tell("error", reasonOf(failure));

/** Says that the owner's own secrets stay out of a workspace, and lets them in. */
function Withheld({ workspaceId }: { workspaceId: string }) {
  const t = useT();
  const deliver = useDeliverPersonal(workspaceId);
  return (
    <p role="status">
      {t("secrets.withheld")}{" "}
      <Button
        disabled={deliver.isPending}
        onClick={() => deliver.mutate(undefined, { onError: tellFailure })}
      >
        {t("secrets.deliver")}
      </Button>
    </p>
  );
}
