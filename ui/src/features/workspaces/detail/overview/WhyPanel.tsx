import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { request, workspacePath } from "../../../../api/client";
import { reasonOf, useVerb } from "../../../../api/mutations";
import type { Metrics, WorkspaceDetail, WorkspaceVerb } from "../../../../api/types";
import type { components } from "../../../../api/schema";
import { health } from "../../../../shared/i18n/health.en";
import { more } from "../../../../shared/i18n/more.en";
import { addEnglish, useT } from "../../../../shared/i18n/messages";
import { Button } from "../../../../ui/Button";

addEnglish(health);
addEnglish(more);

type Why = components["schemas"]["WhyAnswer"];
type Action = Why["next"]["action"];

const VERBS: Partial<Record<Action, WorkspaceVerb>> = {
  start: "start",
  resume: "resume",
  restart: "restart",
};
/** Figures in percent of the limit at which a workspace is likely to be slow. */
const MUCH: Metrics = { cpu_usage: 90, memory_usage: 90, storage_usage: 95 };
const DOWN: ReadonlySet<string> = new Set(["stopped", "paused", "error"]);

/** Whether something speaks for looking without being asked: a login to it is not made for nothing. */
function speaksForLooking({ status, notice, connectivity, metrics }: WorkspaceDetail): boolean {
  if (status !== "running") return DOWN.has(status);
  const much = (Object.keys(MUCH) as (keyof Metrics)[]).some((kind) => (metrics?.[kind] ?? 0) >= MUCH[kind]);
  return much || Boolean(notice) || connectivity?.latency_ms === null;
}

/** Why a workspace does not run, is slow or is not reached: one sentence, and the next step. */
export function WhyPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const [asked, setAsked] = useState(false);
  const isShown = asked || speaksForLooking(detail);
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["why", detail.id, detail.status, detail.started_at],
    queryFn: ({ signal }) => request<Why>("GET", workspacePath(detail.id, "why"), { signal }),
    enabled: isShown,
    staleTime: 15_000,
  });
  if (!isShown) {
    if (detail.status !== "running") return null;
    return (
      <p className="muted">
        {t("why.ask")}{" "}
        <Button isSmall onClick={() => setAsked(true)}>
          {t("why.look")}
        </Button>
      </p>
    );
  }
  const kind = data?.question && data.question !== "not_running" ? "panel panel-notice" : "panel";
  return (
    <section className={kind} aria-label={t("why.title")} aria-busy={isFetching}>
      <h3>{t("why.title")}</h3>
      {!data && <p className="muted">{error ? reasonOf(error) : t("why.looking")}</p>}
      {data && <Answer why={data} detail={detail} />}
      <p>
        <Button isSmall disabled={isFetching} onClick={() => void refetch()}>
          {t("why.again")}
        </Button>
      </p>
    </section>
  );
}

function Answer({ why, detail }: { why: Why; detail: WorkspaceDetail }) {
  const t = useT();
  return (
    <>
      <p>
        <strong>{t.said(why.said, why.sentence)}</strong>
      </p>
      <p>
        {t.said(why.next.said, why.next.sentence)} <Step next={why.next} detail={detail} />
      </p>
      <details>
        <summary>{t("why.seen")}</summary>
        <ul>
          {why.evidence.map((one) => (
            <li key={one.sentence}>{t.said(one.said, one.sentence)}</li>
          ))}
        </ul>
      </details>
      <details>
        <summary>{t("why.checks")}</summary>
        <ul>
          {why.checks.map(({ line, title, outcome, said, sentence }) => (
            <li key={line}>
              {t.said({ code: `why.line.${line}`, values: {} }, title)} – {t(`why.outcome.${outcome}`)}:{" "}
              {t.said(said, sentence)}
            </li>
          ))}
        </ul>
      </details>
      <p className="muted">
        <code>{why.code}</code>
      </p>
    </>
  );
}

/** The next step as a button: a verb, or the way to where it is taken. */
function Step({ next, detail }: { next: Why["next"]; detail: WorkspaceDetail }) {
  const t = useT();
  const navigate = useNavigate();
  const perform = useVerb();
  const verb = VERBS[next.action];
  if (verb) {
    return (
      <Button
        isSmall
        disabled={perform.isPending}
        onClick={() => perform.mutate({ verb, workspace: detail })}
      >
        {t(`action.${verb}`)}
      </Button>
    );
  }
  const going = `why.go.${next.action}`;
  if (!Object.hasOwn(health, going)) return null;
  return (
    <Button isSmall onClick={() => void navigate({ href: next.link })}>
      {t(going as keyof typeof health)}
    </Button>
  );
}
