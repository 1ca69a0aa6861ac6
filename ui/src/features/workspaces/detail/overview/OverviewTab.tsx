import { useDetail } from "../../../../api/detail";
import type { WorkspaceDetail } from "../../../../api/types";
import { useNow } from "../../../../shared/clock";
import { dateTime, gigabytes, number, relativeTime } from "../../../../shared/format";
import { useT } from "../../../../shared/i18n/messages";
import { packageSetName } from "../../../../shared/i18n/names";
import { StopReasonPanel } from "../rest/StopReasonPanel";
import { LogView } from "../logs/LogView";
import { ConnectPanel } from "./ConnectPanel";
import { Figures } from "./Figures";
import { Generations } from "./Generations";
import { PortsPanel } from "./PortsPanel";
import { ProgressPanel } from "./ProgressPanel";
import { RepositoryPanel } from "./RepositoryPanel";
import { WhyPanel } from "./WhyPanel";

/** What is wrong and what to do next, then how the workspace does and how to get into it; its facts last. */
export function OverviewTab() {
  const t = useT();
  const detail = useDetail();
  return (
    <>
      <WhyPanel detail={detail} />
      <Fault detail={detail} />
      {detail.stop_reason && <StopReasonPanel reason={detail.stop_reason} />}
      {detail.notice && (
        <section className="panel panel-notice">
          <h3>{t("detail.notice")}</h3>
          <p>{t.said(detail.notice_said, detail.notice)}</p>
        </section>
      )}
      <ProgressPanel detail={detail} />
      <RepositoryPanel detail={detail} />
      {detail.status === "running" && <Figures detail={detail} />}
      <div className="panels">
        {detail.status === "running" && <PortsPanel detail={detail} />}
        <ConnectPanel detail={detail} />
        <Generations detail={detail} />
      </div>
      <Facts detail={detail} />
    </>
  );
}

function Fault({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  if (!detail.fault) return null;
  return (
    <section className="panel panel-fault">
      <h3>{t("detail.faultTitle")}</h3>
      <p>{t.problem(detail.fault)}</p>
      <p className="muted">
        {detail.fault.code} · {dateTime(detail.fault.at, t.locale)}
      </p>
      {detail.status === "error" && <LogView id={detail.id} name={detail.name} />}
    </section>
  );
}

/** How fast its sshd answers; empty where that was not asked. */
function connectivityOf({ connectivity }: WorkspaceDetail, t: ReturnType<typeof useT>): string {
  if (!connectivity) return "";
  const { latency_ms: latency } = connectivity;
  return latency === null
    ? t("detail.unreachable")
    : t("detail.latency", { latency: number(latency, t.locale) });
}

function Facts({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const now = useNow();
  const { config } = detail;
  const facts: [string, string][] = [
    [t("create.template"), config.template],
    [t("detail.packages"), config.packages.join(", ") || t("detail.none")],
    [t("settings.ports"), config.ports.join(", ") || t("detail.none")],
    [t("detail.cores"), number(config.cpu, t.locale)],
    [t("meter.memory"), gigabytes(config.memory, t.locale)],
    [t("meter.storage"), gigabytes(config.storage, t.locale)],
    [t("detail.created"), dateTime(detail.created_at, t.locale)],
    [t("detail.used"), relativeTime(detail.last_accessed, now, t.locale)],
    [t("detail.started"), detail.started_at ? dateTime(detail.started_at, t.locale) : ""],
    [t("detail.connectivity"), connectivityOf(detail, t)],
    [t("detail.packageSet"), packageSetName(t, detail.package_set)],
    [t("detail.encryption"), detail.encryption],
    [t("detail.id"), detail.id],
    [t("detail.system"), detail.toplevel],
  ];
  return (
    <details className="panel facts-panel">
      <summary>{t("detail.config")}</summary>
      <dl className="facts">
        {facts
          .filter(([, value]) => value !== "")
          .map(([label, value]) => (
            <div key={label} style={{ display: "contents" }}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </details>
  );
}
