import { useQuery } from "@tanstack/react-query";
import { reasonOf, useRebuild } from "../../../../api/mutations";
import { generationsQuery } from "../../../../api/queries";
import type { Generation, WorkspaceDetail } from "../../../../api/types";
import { dateTime } from "../../../../shared/format";
import { useT } from "../../../../shared/i18n/messages";
import { Badge } from "../../../../ui/Badge";
import { Button } from "../../../../ui/Button";
import { useRestartQuestion } from "../useRestartQuestion";
import { GenerationDifference } from "./GenerationDifference";
import { changeOf, isNothing, numberBefore } from "./generationChanges";

/** The built versions of the environment: what changed with each, and the way back. */
export function Generations({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { data: generations = [] } = useQuery(generationsQuery(detail.id));
  const rebuild = useRebuild(detail);
  const restart = useRestartQuestion(detail);
  return (
    <section className="panel">
      {restart.dialog}
      <h3>{t("detail.generations")}</h3>
      {restart.error && <p className="field-problem">{reasonOf(restart.error)}</p>}
      {generations.length === 0 && <p className="muted">{t("detail.generationsNone")}</p>}
      <ol className="generations">
        {generations.map((generation) => (
          <li key={generation.number} className="generation" data-current={generation.current}>
            <div className="generation-text">
              <p>
                <strong>{t("generation.name", { number: generation.number })}</strong>{" "}
                <time className="muted" dateTime={generation.created_at}>
                  {dateTime(generation.created_at, t.locale)}
                </time>
              </p>
              <Change generation={generation} all={generations} />
              <Details workspaceId={detail.id} generation={generation} all={generations} />
            </div>
            {generation.current ? (
              <Badge tone="live">{t("detail.current")}</Badge>
            ) : (
              <Button
                isSmall
                disabled={rebuild.isPending || restart.isPending}
                onClick={() => restart.ask({ rebuild: true }, () => rebuild.mutate(generation.number))}
              >
                {t("detail.rollback", { number: generation.number })}
              </Button>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

interface OfAll {
  generation: Generation;
  all: readonly Generation[];
}

function Details({ workspaceId, generation, all }: OfAll & { workspaceId: string }) {
  const from = numberBefore(generation, all);
  return from === null ? null : (
    <GenerationDifference workspaceId={workspaceId} from={from} to={generation.number} />
  );
}

const list = (items: readonly (string | number)[]) => items.join(", ");

function Change({ generation, all }: OfAll) {
  const t = useT();
  const change = changeOf(generation, all);
  if (!change) {
    const packages = generation.packages.join(", ");
    const { template } = generation;
    return (
      <p className="muted">
        {packages ? t("generation.firstWith", { template, packages }) : t("generation.first", { template })}
      </p>
    );
  }
  if (isNothing(change)) return <p className="muted">{t("generation.same")}</p>;
  return (
    <p className="generation-change">
      {change.template && <span>{t("generation.template", { template: change.template })}</span>}
      {change.added.length > 0 && (
        <span className="change-added">{t("generation.added", { names: list(change.added) })}</span>
      )}
      {change.removed.length > 0 && (
        <span className="change-removed">{t("generation.removed", { names: list(change.removed) })}</span>
      )}
      {change.openedPorts.length > 0 && (
        <span>{t("generation.opened", { ports: list(change.openedPorts) })}</span>
      )}
      {change.closedPorts.length > 0 && (
        <span>{t("generation.closed", { ports: list(change.closedPorts) })}</span>
      )}
    </p>
  );
}
