import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { Circle, CircleCheck, CircleX, Loader, SquareTerminal } from "lucide-react";
import { useCancelCreation, useVerb } from "../../../../api/mutations";
import type { WorkspaceDetail } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { fastClock, useNow } from "../../../../shared/clock";
import { duration } from "../../../../shared/format";
import { LogView } from "../logs/LogView";
import { lasted, overallFraction, phasesOf, phaseState, tookInAll } from "../../phases";

/** How long a workspace that has become ready is told to be. */
const NEWS_MS = 10 * 60_000;

const PHASE_ICONS = { done: CircleCheck, now: Loader, waiting: Circle, failed: CircleX };
const PHASE_WORDS = {
  done: "phase.done",
  now: "phase.now",
  waiting: "phase.waiting",
  failed: "phase.failed",
} as const;

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

/** How the present work goes, phase by phase, with its log; afterwards how long each phase took, and what to do next. */
export function ProgressPanel({ detail }: { detail: WorkspaceDetail }) {
  const cancel = useCancel(detail);
  const { progress, phases, status } = detail;
  const isBusy =
    status === "creating" || status === "starting" || (progress !== null && progress.phase !== "ready");
  const ended = phases.at(-1)?.ended_at;
  const now = useNow();
  // What is long over says nothing about what to do next.
  const isNews = ended ? now - Date.parse(ended) < NEWS_MS : phases.length > 0;
  if (!isBusy && !isNews) return null;
  return <Progress detail={detail} isBusy={isBusy} cancel={cancel} />;
}

interface ProgressProps {
  detail: WorkspaceDetail;
  isBusy: boolean;
  cancel: (() => void) | null;
}

function Progress({ detail, isBusy, cancel }: ProgressProps) {
  const t = useT();
  const { progress, phases, status } = detail;
  const [wasSeen, setWasSeen] = useState(isBusy);
  if (isBusy && !wasSeen) setWasSeen(true);
  const inAll = tookInAll(phases);
  // What was watched keeps its room when it is over: nothing below it jumps.
  return (
    <section className="panel">
      <div className="panel-head">
        <h3>
          {isBusy || inAll === null
            ? t("detail.progress")
            : t("detail.readyIn", { time: duration(inAll, t.locale) })}
        </h3>
        {isBusy && cancel && (
          <button type="button" className="button button-small" onClick={cancel}>
            {t(status === "creating" ? "create.cancel" : "detail.cancelStart")}
          </button>
        )}
        {!isBusy && status === "running" && <TerminalLink />}
      </div>
      {wasSeen && (
        <progress
          value={isBusy ? (progress ? overallFraction(progress) : 0) : 1}
          max={1}
          aria-label={t("detail.progress")}
        />
      )}
      <PhaseList detail={detail} isBusy={isBusy} />
      {wasSeen && (
        <p className="muted progress-message">
          {isBusy && progress && t.said(progress.said, progress.message)}
        </p>
      )}
      {wasSeen && <LogView id={detail.id} name={detail.name} />}
    </section>
  );
}

function PhaseList({ detail, isBusy }: { detail: WorkspaceDetail; isBusy: boolean }) {
  const t = useT();
  const { progress, phases } = detail;
  const isOver = phases.at(-1)?.phase === "ready";
  return (
    <ol className="phases">
      {phasesOf(isOver && isBusy ? [] : phases).map((phase) => {
        const time = phases.find((one) => one.phase === phase);
        const isDone = !isBusy && time !== undefined && time.ended_at !== null;
        const isFailed = !isBusy && !isOver && detail.status === "error" && phase === phases.at(-1)?.phase;
        const isThere = isDone || (!isBusy && isOver);
        const state = isFailed ? "failed" : isThere ? "done" : phaseState(phase, progress);
        const Icon = PHASE_ICONS[state];
        return (
          <li key={phase} className={`phase phase-${state}`}>
            <Icon aria-hidden size={15} className={state === "now" ? "spinning" : undefined} />
            {t(`phase.${phase}`)}
            <span className="visually-hidden">{t(PHASE_WORDS[state])}</span>
            {time && phase !== "ready" && !(isOver && isBusy) && (
              <span className="phase-time muted">
                {time.ended_at ? duration(lasted(time, 0), t.locale) : <Running time={time} />}
              </span>
            )}
          </li>
        );
      })}
    </ol>
  );
}

function Running({ time }: { time: WorkspaceDetail["phases"][number] }) {
  const t = useT();
  return duration(lasted(time, useNow(fastClock)), t.locale);
}

function TerminalLink() {
  const t = useT();
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  return (
    <Link
      to="/workspaces/$workspaceId/terminal"
      params={{ workspaceId }}
      search={true}
      className="button button-small"
    >
      <SquareTerminal aria-hidden size={14} />
      {t("detail.openTerminal")}
    </Link>
  );
}
