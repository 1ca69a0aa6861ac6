import { useQuery } from "@tanstack/react-query";
import { reasonOf } from "../../api/mutations";
import { clockTime } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { Table } from "../../ui/Table";
import type { WantedEntry } from "../../api/network";
import { type Denied, deniedQuery, type Network, wanted } from "./api";
import { endOf } from "./EntryList";
import { allowing, covering, withEntry } from "./entryText";

const MOST_SHOWN = 50;
const HOUR_MS = 3_600_000;

interface DeniedListProps {
  id: string;
  network: Network;
  isPending: boolean;
  onAllow: (allow: readonly WantedEntry[]) => void;
}

/** What was refused, newest first and live; each can be allowed by one click. */
export function DeniedList({ id, network, isPending, onAllow }: DeniedListProps) {
  const t = useT();
  const { data: denied = [], error } = useQuery(deniedQuery(id));
  const rows = denied.toReversed().slice(0, MOST_SHOWN);
  const canAllow = network.mode === "locked" || network.mode === "balanced";
  const allow = (entry: WantedEntry, milliseconds: number | null) =>
    onAllow(withEntry(network.allow.map(wanted), { ...entry, expires_at: endOf(milliseconds) }));
  return (
    <section className="panel" aria-label={t("network.denied")}>
      <h3>{t("network.denied")}</h3>
      {error ? (
        <p className="field-problem">{reasonOf(error)}</p>
      ) : rows.length === 0 ? (
        <p className="muted">{t("network.deniedNone")}</p>
      ) : (
        <Table
          label={t("network.denied")}
          rows={rows}
          keyOf={keyOf}
          columns={[
            { key: "at", head: t("network.at"), cell: ({ at }) => clockTime(at, t.locale) },
            {
              key: "target",
              head: t("network.target"),
              cell: ({ name, address }) => (
                <>
                  <code>{name ?? address}</code>
                  {name && address && <span className="field-hint">{address}</span>}
                </>
              ),
            },
            {
              key: "port",
              head: t("network.port"),
              cell: ({ port, protocol }) => (port > 0 ? `${port} ${protocol}` : protocol),
            },
            { key: "program", head: t("network.program"), cell: ({ program }) => program ?? "–" },
            { key: "count", head: t("network.count"), isFigure: true, cell: ({ count }) => count },
            {
              key: "allow",
              head: <span className="visually-hidden">{t("network.allow")}</span>,
              cell: (one) => {
                const entry = canAllow ? allowing(one) : null;
                if (!entry) return null;
                const name = one.name ?? one.address;
                const allowed = covering(network.allow, entry);
                return (
                  <span className="network-allow">
                    {allowed ? (
                      <span className="muted">{t("network.allow")}</span>
                    ) : (
                      <Button
                        isSmall
                        disabled={isPending}
                        aria-label={t("network.allowHourOf", { name })}
                        onClick={() => allow(entry, HOUR_MS)}
                      >
                        {t("network.allowHour")}
                      </Button>
                    )}
                    {allowed?.expires_at !== null && (
                      <Button
                        isSmall
                        disabled={isPending}
                        aria-label={t("network.allowGoodOf", { name })}
                        onClick={() => allow(entry, null)}
                      >
                        {t("network.allowGood")}
                      </Button>
                    )}
                  </span>
                );
              },
            },
          ]}
        />
      )}
    </section>
  );
}

const keyOf = ({ name, address, port, protocol, program, at }: Denied): string =>
  [name, address, port, protocol, program, at].join(" ");
