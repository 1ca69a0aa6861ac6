import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Pencil, Trash2 } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { addPasskey, type Passkey, passkeysHere, passkeysQuery, proofOf } from "../../api/passkeys";
import { passkeyProblem } from "../../api/passkeyProblem";
import { ask } from "../../api/people";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { passkeys as texts } from "../../shared/i18n/passkeys.en";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { Modal } from "../../ui/Modal";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";
import { usePeopleChange } from "./usePeopleChange";

addEnglish(texts);

/** One's passkeys: list, add, rename, remove. */
export function PasskeyList({ hasPassword }: { hasPassword: boolean }) {
  const t = useT();
  const { data } = useQuery(passkeysQuery);
  const [removed, setRemoved] = useState<Passkey | null>(null);
  const [renamed, setRenamed] = useState<Passkey | null>(null);
  const remove = usePeopleChange(
    ({ id }: Passkey) => ask("DELETE", ["me", "passkeys", id]),
    passkeysQuery.queryKey,
    ({ name }) => t("passkeys.removed", { name }),
  );
  const day = (time: string | null) =>
    time === null ? t("me.notUsed") : new Date(time).toLocaleDateString(t.locale);
  const columns: Column<Passkey>[] = [
    {
      key: "name",
      head: t("passkeys.name"),
      cell: ({ name, host, is_for_this }) => (
        <>
          {name} {!is_for_this && <span className="muted">{t("passkeys.elsewhere", { host })}</span>}
        </>
      ),
    },
    { key: "created", head: t("passkeys.created"), cell: ({ created_at }) => day(created_at) },
    { key: "used", head: t("me.used"), cell: ({ last_used_at }) => day(last_used_at) },
    {
      key: "change",
      head: t("passkeys.change"),
      cell: (one) => (
        <>
          <IconButton
            icon={Pencil}
            label={t("passkeys.renameOne", { name: one.name })}
            onClick={() => setRenamed(one)}
          />
          <IconButton
            icon={Trash2}
            label={t("passkeys.removeOne", { name: one.name })}
            onClick={() => setRemoved(one)}
          />
        </>
      ),
    },
  ];
  const here = passkeysHere();
  return (
    <section className="card pad" aria-label={t("passkeys.title")}>
      <h2>{t("passkeys.title")}</h2>
      <p className="muted">{t("passkeys.hint")}</p>
      {!data && <Skeleton lines={2} label={t("app.loading")} />}
      {data?.passkeys.length === 0 && <p>{t("passkeys.none")}</p>}
      {data && data.passkeys.length > 0 && (
        <Table label={t("passkeys.title")} columns={columns} rows={data.passkeys} keyOf={({ id }) => id} />
      )}
      {here === "yes" ? (
        data && <NewPasskey {...data} hasPassword={hasPassword} />
      ) : (
        <p role="note">{t(`passkeys.${here}`)}</p>
      )}
      {removed && (
        <Confirm
          title={t("passkeys.removeOne", { name: removed.name })}
          description={t("passkeys.removeHint")}
          verb={t("passkeys.remove")}
          isDangerous
          isBusy={remove.isPending}
          onConfirm={() => remove.mutate(removed, { onSettled: () => setRemoved(null) })}
          onClose={() => setRemoved(null)}
        />
      )}
      {renamed && <Rename passkey={renamed} onClose={() => setRenamed(null)} />}
    </section>
  );
}

interface NewPasskeyProps {
  passkeys: readonly Passkey[];
  must_confirm: boolean;
  hasPassword: boolean;
}

function NewPasskey({ passkeys: present, must_confirm, hasPassword }: NewPasskeyProps) {
  const t = useT();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [current, setCurrent] = useState("");
  const add = useMutation({
    mutationFn: async () => addPasskey(name.trim(), await proofOf(current, must_confirm ? present : [])),
    // Nothing keeps the password.
    gcTime: 0,
    onSuccess: () => {
      tell("success", t("passkeys.added", { name: name.trim() }));
      setName("");
      setCurrent("");
    },
    onSettled: () => client.invalidateQueries({ queryKey: passkeysQuery.queryKey }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    add.mutate();
  };
  const problem = add.error ? passkeyProblem(t, add.error) : undefined;
  return (
    <form onSubmit={submit} aria-label={t("passkeys.add")}>
      <Field label={t("passkeys.newName")} hint={t("passkeys.nameHint")} problem={problem}>
        {(props) => (
          <input
            {...props}
            className="input"
            required
            maxLength={64}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      {hasPassword && must_confirm && (
        <Field label={t("passkeys.password")} hint={present.length > 0 && t("passkeys.passwordOr")}>
          {(props) => (
            <input
              {...props}
              className="input"
              type="password"
              autoComplete="current-password"
              required={present.length === 0}
              maxLength={256}
              value={current}
              onChange={(event) => setCurrent(event.target.value)}
            />
          )}
        </Field>
      )}
      <div className="form-actions">
        <Button kind="primary" type="submit" disabled={add.isPending || !name.trim()}>
          {t(add.isPending ? "passkeys.waiting" : "passkeys.add")}
        </Button>
      </div>
    </form>
  );
}

interface RenameProps {
  passkey: Passkey;
  onClose: () => void;
}

function Rename({ passkey, onClose }: RenameProps) {
  const t = useT();
  const [name, setName] = useState(passkey.name);
  const rename = usePeopleChange(
    () => ask("PATCH", ["me", "passkeys", passkey.id], { name: name.trim() }),
    passkeysQuery.queryKey,
    () => t("passkeys.renamed", { name: name.trim() }),
  );
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    rename.mutate(undefined, { onSettled: onClose });
  };
  return (
    <Modal isOpen onClose={onClose} title={t("passkeys.renameOne", { name: passkey.name })}>
      <form onSubmit={submit}>
        <Field label={t("passkeys.newName")} hint={t("passkeys.nameHint")}>
          {(props) => (
            <input
              {...props}
              className="input"
              required
              maxLength={64}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <div className="modal-actions">
          <Button kind="primary" type="submit" disabled={rename.isPending || !name.trim()}>
            {t("passkeys.rename")}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
