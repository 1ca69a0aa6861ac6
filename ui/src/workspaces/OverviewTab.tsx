import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Copy, Download, Loader, CircleCheck, Circle } from "lucide-react";
import { request, workspacePath } from "../api/client";
import { reasonOf, useCancelCreation, useRebuild, useVerb } from "../api/mutations";
import { generationsQuery } from "../api/queries";
import type { WorkspaceDetail } from "../api/types";
import { useT } from "../i18n/messages";
import { useNow } from "../shared/clock";
import { saveText } from "../shared/download";
import { dateTime, gigabytes, number, relativeTime } from "../shared/format";
import { tell } from "../shared/toasts";
import { useFigures } from "./figures";
import { LogView } from "./LogView";
import { Meter } from "./Meter";
import { overallFraction, PHASES, phaseState } from "./phases";
import { Sparkline } from "./Sparkline";
import { useDetail } from "./WorkspaceDetailView";

const FIGURES_MS = 3_000;

/** How the workspace does, what it is, and how to get into it. */
export function OverviewTab() {
  const t = useT();
  const detail = useDetail();
  const isBusy = detail.progress !== null && detail.progress.phase !== "ready";
  return (
    <>
      {detail.fault && <FaultPanel detail={detail} />}
      {detail.notice && (
        <section className="panel panel-notice">
          <h3>{t("detail.notice")}</h3>
          <p>{detail.notice}</p>
        </section>
      )}
      {isBusy && <ProgressPanel detail={detail} />}
      <div className="panels">
        <div className="panel-stack">
          {detail.status === "running" && <UsagePanel detail={detail} />}
          <SshPanel detail={detail} />
        </div>
        <FactsPanel detail={detail} />
      </div>
      <GenerationsPanel detail={detail} />
    </>
  );
}

function FaultPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  if (!detail.fault) return null;
  return (
    <section className="panel panel-fault">
      <h3>{t("detail.faultTitle")}</h3>
      <p>{detail.fault.message}</p>
      <p className="muted">
        {detail.fault.code} · {dateTime(detail.fault.at, t.locale)}
      </p>
      {detail.status === "error" && <LogView id={detail.id} name={detail.name} />}
    </section>
  );
}

const PHASE_ICONS = { done: CircleCheck, now: Loader, waiting: Circle };
const PHASE_WORDS = { done: "phase.done", now: "phase.now", waiting: "phase.waiting" } as const;

/** What cancels the work under way: a workspace that never ran has nothing to lose, any other one stays as it is. */
function useCancel(detail: WorkspaceDetail): (() => void) | null {
  const navigate = useNavigate();
  const verb = useVerb();
  const creation = useCancelCreation();
  switch (detail.status) {
    case "creating":
      return () => {
        creation.mutate(detail);
        void navigate({ to: "/workspaces", search: true });
      };
    case "starting":
      return () => verb.mutate({ verb: "stop", workspace: detail });
    default:
      return null;
  }
}

function ProgressPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const cancel = useCancel(detail);
  const { progress } = detail;
  return (
    <section className="panel">
      <div className="panel-head">
        <h3>{t("detail.progress")}</h3>
        {cancel && (
          <button type="button" className="button button-small" onClick={cancel}>
            {t(detail.status === "creating" ? "create.cancel" : "detail.cancelStart")}
          </button>
        )}
      </div>
      <progress value={progress ? overallFraction(progress) : 0} max={1} aria-label={t("detail.progress")} />
      <ol className="phases">
        {PHASES.map((phase) => {
          const state = phaseState(phase, progress);
          const Icon = PHASE_ICONS[state];
          return (
            <li key={phase} className={`phase phase-${state}`}>
              <Icon aria-hidden size={15} className={state === "now" ? "spinning" : undefined} />
              {t(`phase.${phase}`)}
              <span className="visually-hidden">{t(PHASE_WORDS[state])}</span>
            </li>
          );
        })}
      </ol>
      {progress?.message && <p className="muted">{progress.message}</p>}
      <LogView id={detail.id} name={detail.name} />
    </section>
  );
}

function UsagePanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { now, past } = useFigures(detail.id, detail.status, FIGURES_MS);
  const { cpu, memory, storage } = detail.config;
  return (
    <section className="panel">
      <h3>{t("detail.usage")}</h3>
      <Meter label={t("meter.cpu")} value={now?.cpu_usage ?? null} limit={t.count("meter.cores", cpu)} />
      <Meter
        label={t("meter.memory")}
        value={now?.memory_usage ?? null}
        limit={gigabytes(memory, t.locale)}
      />
      <Meter
        label={t("meter.storage")}
        value={now?.storage_usage ?? null}
        limit={gigabytes(storage, t.locale)}
      />
      <figure className="spark-figure">
        <figcaption className="muted">{t("meter.history")}</figcaption>
        <Sparkline
          values={past.map((sample) => sample.metrics?.cpu_usage ?? null)}
          label={t("meter.history")}
        />
      </figure>
    </section>
  );
}

function FactsPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const now = useNow();
  const { config } = detail;
  const facts: [string, string][] = [
    [t("detail.id"), detail.id],
    [t("create.template"), config.template],
    [t("detail.cores"), number(config.cpu, t.locale)],
    [t("meter.memory"), gigabytes(config.memory, t.locale)],
    [t("meter.storage"), gigabytes(config.storage, t.locale)],
    [t("detail.packages"), config.packages.join(", ") || t("detail.none")],
    [t("detail.ports"), config.ports.join(", ") || t("detail.none")],
    [t("detail.packageSet"), detail.package_set],
    [t("detail.system"), detail.toplevel],
    [t("detail.encryption"), detail.encryption],
    [t("detail.created"), dateTime(detail.created_at, t.locale)],
    [t("detail.used"), relativeTime(detail.last_accessed, now, t.locale)],
    [t("detail.started"), detail.started_at ? dateTime(detail.started_at, t.locale) : ""],
  ];
  return (
    <section className="panel">
      <h3>{t("detail.config")}</h3>
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
    </section>
  );
}

/** Fetches the key only when it is asked for: every read of it is in the audit log. */
async function saveKey(detail: WorkspaceDetail): Promise<void> {
  try {
    const { private_key } = await request<{ private_key: string }>(
      "GET",
      workspacePath(detail.id, "ssh-key"),
    );
    saveText(`${detail.name}.key`, private_key);
  } catch (failure) {
    tell("error", reasonOf(failure));
  }
}

function SshPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { ssh_info: ssh } = detail;
  const command = ssh ? `ssh -i ${detail.name}.key -p ${ssh.port} ${ssh.username}@${ssh.host}` : "";
  const copy = () => void navigator.clipboard.writeText(command).then(() => tell("success", t("app.copied")));
  return (
    <section className="panel">
      <h3>{t("detail.ssh")}</h3>
      {ssh ? (
        <>
          <p className="muted">{t("detail.sshHint")}</p>
          <div className="command">
            <code>{command}</code>
            <button type="button" className="icon-button" aria-label={t("app.copy")} onClick={copy}>
              <Copy aria-hidden size={16} />
            </button>
          </div>
        </>
      ) : (
        <p className="muted">{t("detail.sshDown")}</p>
      )}
      <div className="form-actions">
        <button type="button" className="button button-small" onClick={() => void saveKey(detail)}>
          <Download aria-hidden size={14} />
          {t("detail.sshKey")}
        </button>
      </div>
      <p className="field-hint">{t("detail.sshWarning")}</p>
    </section>
  );
}

function GenerationsPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { data: generations = [] } = useQuery(generationsQuery(detail.id));
  const rebuild = useRebuild(detail);
  return (
    <section className="panel">
      <h3>{t("detail.generations")}</h3>
      {generations.length === 0 && <p className="muted">{t("detail.generationsNone")}</p>}
      {generations.length > 0 && (
        <div className="table-scroll">
          <table className="data-table">
            <thead>
              <tr>
                <th scope="col">{t("detail.generation")}</th>
                <th scope="col">{t("detail.created")}</th>
                <th scope="col">{t("create.template")}</th>
                <th scope="col">{t("detail.packages")}</th>
                <th scope="col">
                  <span className="visually-hidden">{t("app.menu")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {generations.map((generation) => (
                <tr key={generation.number}>
                  <td>{generation.number}</td>
                  <td>{dateTime(generation.created_at, t.locale)}</td>
                  <td>{generation.template}</td>
                  <td>{generation.packages.join(", ") || t("detail.none")}</td>
                  <td>
                    {generation.current ? (
                      t("detail.current")
                    ) : (
                      <button
                        type="button"
                        className="button button-small"
                        disabled={rebuild.isPending}
                        onClick={() => rebuild.mutate(generation.number)}
                      >
                        {t("detail.rollback", { number: generation.number })}
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
