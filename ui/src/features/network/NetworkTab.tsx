import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useDetail } from "../../api/detail";
import { reasonOf } from "../../api/mutations";
import type { Mode } from "../../api/network";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { networkQuery, policyOf, usePolicy, type Policy } from "./api";
import { DeniedList } from "./DeniedList";
import { EntryList } from "./EntryList";
import { LearnPanel } from "./LearnPanel";
import { ModeChoice } from "./ModeChoice";
import "./network.css";
import { ProposalList } from "./ProposalList";

addEnglish(more);

/** What a workspace may reach: chosen, shown with its bounds, and what was refused. */
export function NetworkTab() {
  const t = useT();
  const { id, status } = useDetail();
  const { data: network, error } = useQuery(networkQuery(id));
  const change = usePolicy(id);
  // Known at once: the mutation itself tells that it is under way only after the click has been drawn.
  const [asked, setAsked] = useState<Mode | null>(null);
  if (!network) {
    return (
      <p className="placeholder muted" role={error ? "alert" : undefined}>
        {error ? reasonOf(error) : t("app.loading")}
      </p>
    );
  }
  const put = (part: Partial<Policy>, onSuccess?: () => void) =>
    change.mutate(
      { policy: { ...policyOf(network), ...part }, version: network.version },
      { onSuccess: () => onSuccess?.(), onSettled: () => setAsked(null) },
    );
  const problem = change.error ? reasonOf(change.error) : undefined;
  return (
    <div className="network">
      {!network.in_force && (
        <p className="panel network-note" role="status">
          {t("network.notInForce")}
        </p>
      )}
      {problem && (
        <p className="panel panel-fault" role="alert">
          {problem}
        </p>
      )}
      <div className="panels">
        <ModeChoice
          network={network}
          chosen={asked ?? network.mode}
          onChoose={(mode) => {
            if (change.isPending) return;
            setAsked(mode);
            put({ mode });
          }}
        />
        <LearnPanel id={id} network={network} isRunning={status === "running"} />
      </div>
      <ProposalList id={id} mode={network.mode} />
      <DeniedList
        id={id}
        network={network}
        isPending={change.isPending}
        onAllow={(allow) => put({ allow })}
      />
      <div className="panels">
        {(["allow", "deny"] as const).map((list) => (
          <EntryList
            key={list}
            list={list}
            network={network}
            isPending={change.isPending}
            onChange={(entries, onSuccess) => put({ [list]: entries }, onSuccess)}
          />
        ))}
      </div>
    </div>
  );
}
