import { X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useNow } from "../../shared/clock";
import { relativeTime } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { Table } from "../../ui/Table";
import { entryOf, type WantedEntry } from "../../api/network";
import { type Entry, type Network, wanted } from "./api";
import { portsText, withEntry } from "./entryText";

/** For how long an entry is added, in milliseconds; null: for good. */
const LENGTHS = { hour: 3_600_000, day: 86_400_000, good: null } as const;
type Length = keyof typeof LENGTHS;

/** When something that begins now and lasts so long ends. */
export const endOf = (milliseconds: number | null): string | null =>
  milliseconds === null ? null : new Date(Date.now() + milliseconds).toISOString();

interface EntryListProps {
  list: "allow" | "deny";
  network: Network;
  isPending: boolean;
  onChange: (entries: readonly WantedEntry[], onSuccess?: () => void) => void;
}

/** The allowed or the denied names and addresses, with their ends; each can go, and more can be added. */
export function EntryList({ list, network, isPending, onChange }: EntryListProps) {
  const t = useT();
  const [text, setText] = useState("");
  const [length, setLength] = useState<Length>("good");
  const entries = network[list];
  const entry = entryOf(text);
  const add = (event: FormEvent) => {
    event.preventDefault();
    if (!entry) return;
    const ending = { ...entry, expires_at: endOf(LENGTHS[length]) };
    onChange(withEntry(entries.map(wanted), ending), () => setText(""));
  };
  const isIdle = list === "allow" && (network.mode === "none" || network.mode === "open");
  return (
    <section className="panel" aria-label={t(`network.${list}`)}>
      <h3>{t(`network.${list}`)}</h3>
      <p className="muted">{t(isIdle ? "network.allowIdle" : `network.${list}Hint`)}</p>
      {entries.length > 0 && (
        <EntryTable
          label={t(`network.${list}`)}
          entries={entries}
          beyond={list === "allow" ? network.beyond_floor : []}
          isPending={isPending}
          onRemove={(gone) => onChange(entries.filter((one) => one !== gone).map(wanted))}
        />
      )}
      <form className="network-add" onSubmit={add} noValidate>
        <Field label={t(`network.${list}Add`)}>
          {(field) => (
            <input
              {...field}
              autoComplete="off"
              spellCheck={false}
              placeholder="packages.example:443"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <Field label={t("network.for")}>
          {(field) => (
            <select {...field} value={length} onChange={(event) => setLength(event.target.value as Length)}>
              {(Object.keys(LENGTHS) as Length[]).map((one) => (
                <option key={one} value={one}>
                  {t(`network.for.${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Button type="submit" disabled={!entry || isPending}>
          {t("network.add")}
        </Button>
      </form>
    </section>
  );
}

interface EntryTableProps {
  label: string;
  entries: readonly Entry[];
  /** Pointers to the entries that the floor keeps from having an effect. */
  beyond: readonly string[];
  isPending: boolean;
  onRemove: (entry: Entry) => void;
}

const keyOf = ({ entry }: { entry: Entry }) => `${entry.name ?? entry.cidr}:${portsText(entry.ports)}`;

function EntryTable({ label, entries, beyond, isPending, onRemove }: EntryTableProps) {
  const t = useT();
  const now = useNow();
  const rows = entries.map((entry, index) => ({ entry, isBeyond: beyond.includes(`/allow/${index}`) }));
  return (
    <Table
      label={label}
      rows={rows}
      keyOf={keyOf}
      columns={[
        {
          key: "target",
          head: t("network.target"),
          cell: ({ entry, isBeyond }) => (
            <>
              <code>{entry.name ?? entry.cidr}</code>
              {isBeyond && <span className="field-hint">{t("network.beyond")}</span>}
            </>
          ),
        },
        {
          key: "ports",
          head: t("network.ports"),
          cell: ({ entry }) => portsText(entry.ports) || t("network.allPorts"),
        },
        {
          key: "ends",
          head: t("network.ends"),
          cell: ({ entry }) =>
            entry.expires_at ? relativeTime(entry.expires_at, now, t.locale) : t("network.for.good"),
        },
        {
          key: "remove",
          head: <span className="visually-hidden">{t("network.remove")}</span>,
          cell: ({ entry }) => (
            <IconButton
              icon={X}
              label={t("network.removeOne", { name: entry.name ?? entry.cidr ?? "" })}
              disabled={isPending}
              onClick={() => onRemove(entry)}
            />
          ),
        },
      ]}
    />
  );
}
