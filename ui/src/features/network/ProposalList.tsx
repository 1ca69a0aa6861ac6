import { useQuery } from "@tanstack/react-query";
import { reasonOf } from "../../api/mutations";
import { useNow } from "../../shared/clock";
import { relativeTime } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import type { Mode } from "../../api/network";
import { type Proposal, proposalsQuery, useApproval, useRejection } from "./api";
import { portsText } from "./entryText";

/** What somebody, a program or learning proposes to allow, until it is decided. */
export function ProposalList({ id, mode }: { id: string; mode: Mode }) {
  const t = useT();
  const { data: proposals = [] } = useQuery(proposalsQuery(id));
  const approval = useApproval(id);
  const rejection = useRejection(id);
  const pending = proposals.filter(({ state }) => state === "pending");
  const failure = approval.error ?? rejection.error;
  if (pending.length === 0 && !failure) return null;
  const isPending = approval.isPending || rejection.isPending;
  return (
    <section className="panel" aria-label={t("network.proposals")}>
      <h3>{t("network.proposals")}</h3>
      {failure && <p className="field-problem">{reasonOf(failure)}</p>}
      <ul className="network-proposals">
        {pending.map((one) => (
          <li key={one.id}>
            <Told proposal={one} />
            <div className="form-actions">
              <Button
                kind="primary"
                isSmall
                disabled={isPending}
                onClick={() => approval.mutate({ proposal: one.id, ttl: "1h" })}
              >
                {t("network.allowHour")}
              </Button>
              <Button isSmall disabled={isPending} onClick={() => approval.mutate({ proposal: one.id })}>
                {t("network.allowGood")}
              </Button>
              {mode !== "locked" && (
                <Button
                  isSmall
                  disabled={isPending}
                  onClick={() => approval.mutate({ proposal: one.id, mode: "locked" })}
                >
                  {t("network.allowLock")}
                </Button>
              )}
              <Button isSmall kind="quiet" disabled={isPending} onClick={() => rejection.mutate(one.id)}>
                {t("network.reject")}
              </Button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Told({ proposal }: { proposal: Proposal }) {
  const t = useT();
  const now = useNow();
  const { source, created_at: at, created_by: by, reason, entries } = proposal;
  return (
    <>
      <p>
        {t(`network.source.${source}`, { name: by })}{" "}
        <span className="muted">{relativeTime(at, now, t.locale)}</span>
      </p>
      {reason && <p>{reason}</p>}
      <ul className="chips">
        {entries.map(({ name, cidr, ports }) => (
          <li key={`${name ?? cidr}:${portsText(ports)}`} className="chip chip-plain">
            <code>
              {name ?? cidr}
              {ports.length > 0 && ` ${portsText(ports)}`}
            </code>
          </li>
        ))}
      </ul>
    </>
  );
}
