import { KeyRound, UserCheck, UserX } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { reasonOf } from "../../api/mutations";
import { ask, ROLES, type User, usersQuery } from "../../api/people";
import { useT } from "../../shared/i18n/messages";
import { Badge } from "../../ui/Badge";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { type Column, Table } from "../../ui/Table";
import { SecretDialog } from "./TokenList";
import { usePeopleChange } from "./usePeopleChange";

type Role = (typeof ROLES)[number];

/** All users: their roles, suspending them, links by which they sign in. */
export function UserTable({ users }: { users: readonly User[] }) {
  const t = useT();
  const [asked, setAsked] = useState<User | null>(null);
  const [link, setLink] = useState({ name: "", url: "" });
  const change = usePeopleChange(
    ({ user, ...changed }: { user: User; role?: string; state?: string }) =>
      ask<unknown>("PATCH", ["users", user.id], changed),
    usersQuery.queryKey,
    ({ user }) => t("people.changed", { name: user.handle }),
  );
  const invite = usePeopleChange(
    (user: User) => ask<{ url: string }>("POST", ["users", user.id, "login-link"]),
    usersQuery.queryKey,
  );
  const columns: Column<User>[] = [
    {
      key: "handle",
      head: t("people.handle"),
      cell: ({ handle, display_name }) => (
        <>
          {handle}
          {display_name !== handle && <p className="muted">{display_name}</p>}
        </>
      ),
    },
    {
      key: "role",
      head: t("people.role"),
      cell: (user) => (
        <select
          className="input"
          aria-label={t("people.roleOf", { name: user.handle })}
          value={user.role}
          disabled={change.isPending}
          onChange={({ target }) => change.mutate({ user, role: target.value })}
        >
          {ROLES.map((role) => (
            <option key={role} value={role}>
              {t(`people.role.${role}`)}
            </option>
          ))}
        </select>
      ),
    },
    {
      key: "kind",
      head: t("people.kind"),
      isWhole: true,
      cell: ({ kind }) => t(`people.kind.${kind as "person"}`),
    },
    {
      key: "state",
      head: t("people.state"),
      isWhole: true,
      cell: ({ state }) => (
        <Badge tone={state === "active" ? "plain" : "warning"}>
          {t(`people.state.${state as "active"}`)}
        </Badge>
      ),
    },
    {
      key: "actions",
      head: t("people.actions"),
      isWhole: true,
      cell: (user) => (
        <>
          {user.state === "active" ? (
            <IconButton
              icon={UserX}
              label={t("people.suspendOne", { name: user.handle })}
              onClick={() => setAsked(user)}
            />
          ) : (
            <IconButton
              icon={UserCheck}
              label={t("people.activateOne", { name: user.handle })}
              onClick={() => change.mutate({ user, state: "active" })}
            />
          )}
          {user.kind === "person" && user.state === "active" && (
            <IconButton
              icon={KeyRound}
              label={t("people.linkOne", { name: user.handle })}
              onClick={() =>
                invite.mutate(user, { onSuccess: ({ url }) => setLink({ name: user.handle, url }) })
              }
            />
          )}
        </>
      ),
    },
  ];
  return (
    <section className="card pad" aria-label={t("people.users")}>
      <h2>{t("people.users")}</h2>
      <Table label={t("people.users")} columns={columns} rows={users} keyOf={({ id }) => id} />
      <NewUser />
      {asked && (
        <Confirm
          title={t("people.suspendOne", { name: asked.handle })}
          description={t("people.suspendHint")}
          verb={t("people.suspend")}
          isDangerous
          isBusy={change.isPending}
          onConfirm={() =>
            change.mutate({ user: asked, state: "suspended" }, { onSettled: () => setAsked(null) })
          }
          onClose={() => setAsked(null)}
        />
      )}
      <SecretDialog
        title={t("people.link")}
        text={t("people.linkHint", { name: link.name })}
        secret={link.url}
        verb={t("people.linkDone")}
        onClose={() => setLink({ name: "", url: "" })}
      />
    </section>
  );
}

function NewUser() {
  const t = useT();
  const [handle, setHandle] = useState("");
  const [role, setRole] = useState<Role>("member");
  const [isService, setIsService] = useState(false);
  const add = usePeopleChange(
    (wanted: Record<string, unknown>) => ask<unknown>("POST", ["users"], wanted),
    usersQuery.queryKey,
    undefined,
    true,
  );
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const wanted = { handle: handle.trim(), role, kind: isService ? "service_account" : "person" };
    add.mutate(wanted, { onSuccess: () => setHandle("") });
  };
  return (
    <form className="form-grid" onSubmit={submit} aria-label={t("people.add")}>
      <Field
        label={t("people.handle")}
        hint={t("people.handleHint")}
        problem={add.error ? reasonOf(add.error) : undefined}
      >
        {(props) => (
          <input
            {...props}
            className="input"
            required
            maxLength={40}
            pattern="[a-z0-9][a-z0-9._\-]*"
            spellCheck={false}
            value={handle}
            onChange={(event) => setHandle(event.target.value)}
          />
        )}
      </Field>
      <Field label={t("people.role")}>
        {(props) => (
          <select
            {...props}
            className="input"
            value={role}
            onChange={({ target }) => setRole(target.value as Role)}
          >
            {ROLES.map((one) => (
              <option key={one} value={one}>
                {t(`people.role.${one}`)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <label className="switch">
        <input type="checkbox" checked={isService} onChange={() => setIsService(!isService)} />
        {t("people.kind.service_account")}
      </label>
      <div className="form-actions">
        <Button kind="primary" type="submit" disabled={add.isPending || !handle.trim()}>
          {t("people.add")}
        </Button>
      </div>
    </form>
  );
}
