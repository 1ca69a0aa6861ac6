import { useQuery } from "@tanstack/react-query";
import { Trash2, X } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { ask, type Group, groupsQuery, type User } from "../../api/people";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { Skeleton } from "../../ui/Skeleton";
import { Failed } from "./Failed";
import "./people.css";
import { usePeopleChange } from "./usePeopleChange";

/** All groups: their members, making and removing them. */
export function GroupList({ users }: { users: readonly User[] }) {
  const t = useT();
  const { data, error, isPending, refetch } = useQuery(groupsQuery);
  const [asked, setAsked] = useState<Group | null>(null);
  const [name, setName] = useState("");
  const change = usePeopleChange(
    ({ method, parts, body }: { method: string; parts: string[]; body?: Record<string, unknown> }) =>
      ask<unknown>(method, ["groups", ...parts], body),
    ["people"],
  );
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    change.mutate(
      { method: "POST", parts: [], body: { name: name.trim() } },
      { onSuccess: () => setName("") },
    );
  };
  return (
    <section className="card pad" aria-label={t("people.groups")}>
      <h2>{t("people.groups")}</h2>
      {isPending && <Skeleton lines={3} label={t("app.loading")} />}
      {error && !data && <Failed error={error} onRetry={() => void refetch()} />}
      {data?.groups.length === 0 && <p>{t("people.groupsNone")}</p>}
      {data?.groups.map((group) => (
        <GroupRow
          key={group.id}
          group={group}
          users={users}
          onJoin={(id) => change.mutate({ method: "PUT", parts: [group.id, "members", id] })}
          onLeave={(id) => change.mutate({ method: "DELETE", parts: [group.id, "members", id] })}
          onRemove={() => setAsked(group)}
        />
      ))}
      <form className="form-grid" onSubmit={submit} aria-label={t("people.addGroup")}>
        <Field label={t("people.group")} hint={t("people.handleHint")}>
          {(props) => (
            <input
              {...props}
              className="input"
              required
              maxLength={40}
              spellCheck={false}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <div className="form-actions">
          <Button type="submit" disabled={change.isPending || !name.trim()}>
            {t("people.addGroup")}
          </Button>
        </div>
      </form>
      {asked && (
        <Confirm
          title={t("people.removeGroup", { name: asked.name })}
          description={t("people.removeGroupHint")}
          verb={t("people.remove")}
          isDangerous
          isBusy={change.isPending}
          onConfirm={() =>
            change.mutate({ method: "DELETE", parts: [asked.id] }, { onSettled: () => setAsked(null) })
          }
          onClose={() => setAsked(null)}
        />
      )}
    </section>
  );
}

interface GroupRowProps {
  group: Group;
  users: readonly User[];
  onJoin: (id: string) => void;
  onLeave: (id: string) => void;
  onRemove: () => void;
}

function GroupRow({ group, users, onJoin, onLeave, onRemove }: GroupRowProps) {
  const t = useT();
  const handleOf = (id: string) => users.find((one) => one.id === id)?.handle ?? id;
  const members = group.members.toSorted((a, b) => handleOf(a).localeCompare(handleOf(b)));
  const others = users.filter(({ id }) => !group.members.includes(id));
  return (
    <section className="group" aria-label={group.name}>
      <div className="group-head">
        <h3>{group.name}</h3>
        <IconButton icon={Trash2} label={t("people.removeGroup", { name: group.name })} onClick={onRemove} />
      </div>
      <ul className="people-members">
        {members.map((id) => (
          <li key={id}>
            {handleOf(id)}
            <IconButton
              icon={X}
              label={t("people.removeMember", { user: handleOf(id), name: group.name })}
              onClick={() => onLeave(id)}
            />
          </li>
        ))}
      </ul>
      <select
        className="input"
        aria-label={t("people.addMember", { name: group.name })}
        value=""
        onChange={({ target }) => onJoin(target.value)}
      >
        <option value="" disabled>
          {t("people.choose")}
        </option>
        {others.map(({ id, handle }) => (
          <option key={id} value={id}>
            {handle}
          </option>
        ))}
      </select>
    </section>
  );
}
