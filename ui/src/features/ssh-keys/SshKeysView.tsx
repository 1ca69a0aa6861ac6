import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { request } from "../../api/client";
import { reasonOf } from "../../api/mutations";
import { sshKeysQuery } from "../../api/queries";
import type { SshKey } from "../../api/types";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { tell } from "../../shared/toasts";
import { useTitle } from "../../shared/useTitle";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { EmptyState } from "../../ui/EmptyState";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";

addEnglish(more);

const ROOT = "/api/nixos/ssh-keys";

/** The public keys that open all of one's workspaces: list, add, remove. */
export function SshKeysView() {
  const t = useT();
  const { data, error, isPending, refetch } = useQuery(sshKeysQuery);
  useTitle(t("sshKeys.title"));
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("sshKeys.title")}</h1>
        {data && <span className="muted">{data.ssh_keys.length}</span>}
      </header>
      <p className="muted">{t("sshKeys.hint")}</p>
      {isPending && <Skeleton lines={4} label={t("app.loading")} />}
      {error && !data && (
        <EmptyState title={t("sshKeys.failed")} isAlert>
          <p>{reasonOf(error)}</p>
          <Button onClick={() => void refetch()}>{t("app.retry")}</Button>
        </EmptyState>
      )}
      {data && <KeyTable keys={data.ssh_keys} />}
      <AddKey />
    </div>
  );
}

function KeyTable({ keys }: { keys: readonly SshKey[] }) {
  const t = useT();
  const client = useQueryClient();
  const [asked, setAsked] = useState<SshKey | null>(null);
  const remove = useMutation({
    mutationFn: ({ id }: SshKey) => request<void>("DELETE", `${ROOT}/${encodeURIComponent(id)}`),
    onSuccess: (_, { name }) => tell("success", t("sshKeys.removed", { name })),
    onError: (failure) => tell("error", reasonOf(failure)),
    onSettled: () => {
      setAsked(null);
      void client.invalidateQueries({ queryKey: sshKeysQuery.queryKey });
    },
  });
  const day = (time: string) => new Date(time).toLocaleDateString(t.locale);
  const columns: Column<SshKey>[] = [
    { key: "name", head: t("sshKeys.name"), cell: ({ name }) => name },
    {
      key: "fingerprint",
      head: t("sshKeys.fingerprint"),
      cell: ({ type, fingerprint }) => (
        <code>
          {type} {fingerprint}
        </code>
      ),
    },
    { key: "added", head: t("sshKeys.added"), cell: ({ created_at }) => day(created_at) },
    {
      key: "remove",
      head: t("sshKeys.remove"),
      cell: (key) => (
        <IconButton
          icon={Trash2}
          label={t("sshKeys.removeOne", { name: key.name })}
          onClick={() => setAsked(key)}
        />
      ),
    },
  ];
  if (keys.length === 0) return <EmptyState title={t("sshKeys.none")} />;
  return (
    <section className="card">
      <Table label={t("sshKeys.title")} columns={columns} rows={keys} keyOf={({ id }) => id} />
      {asked && (
        <Confirm
          title={t("sshKeys.removeOne", { name: asked.name })}
          description={t("sshKeys.removeHint")}
          verb={t("sshKeys.remove")}
          isDangerous
          isBusy={remove.isPending}
          onConfirm={() => remove.mutate(asked)}
          onClose={() => setAsked(null)}
        />
      )}
    </section>
  );
}

function AddKey() {
  const t = useT();
  const client = useQueryClient();
  const [text, setText] = useState("");
  const [name, setName] = useState("");
  const add = useMutation({
    mutationFn: () => request("POST", ROOT, { body: { public_key: text.trim(), name: name.trim() } }),
    onSuccess: () => {
      setText("");
      setName("");
      tell("success", t("sshKeys.done"));
      void client.invalidateQueries({ queryKey: sshKeysQuery.queryKey });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <form className="card pad" onSubmit={submit} aria-label={t("sshKeys.add")}>
      <h2>{t("sshKeys.add")}</h2>
      <Field
        label={t("sshKeys.key")}
        hint={t("sshKeys.keyHint")}
        problem={add.error ? reasonOf(add.error) : undefined}
      >
        {(props) => (
          <textarea
            {...props}
            className="input"
            rows={4}
            required
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      <Field label={t("sshKeys.name")} hint={t("sshKeys.nameHint")}>
        {(props) => (
          <input
            {...props}
            className="input"
            maxLength={64}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <div className="form-actions">
        <Button kind="primary" type="submit" disabled={add.isPending || !text.trim()}>
          {t("sshKeys.add")}
        </Button>
      </div>
    </form>
  );
}
