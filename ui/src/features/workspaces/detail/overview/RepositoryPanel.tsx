import { useQuery } from "@tanstack/react-query";
import { reasonOf } from "../../../../api/mutations";
import { type Repository, repositoriesQuery, useCloneAgain } from "../../../../api/secrets";
import type { WorkspaceDetail } from "../../../../api/types";
import { addEnglish, useT } from "../../../../shared/i18n/messages";
import { more } from "../../../../shared/i18n/more.en";
import { Button } from "../../../../ui/Button";

addEnglish(more);

/** What is, or is being, cloned into the workspace; nothing where there is none. */
export function RepositoryPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { data = [] } = useQuery(repositoriesQuery(detail.id));
  const again = useCloneAgain(detail.id);
  if (data.length === 0) return null;
  return (
    <section className="panel">
      <h3>{t("git.title")}</h3>
      {data.map((one) => (
        <div key={one.purpose}>
          <p>
            <code>{one.ref ? `${one.url}#${one.ref}` : one.url}</code> → <code>~/{one.directory}</code>
          </p>
          <p className={one.state === "failed" ? "field-problem" : "muted"} role="status">
            {stateOf(one, t)} {one.message}
          </p>
          {(one.state === "done" || one.state === "failed") && (
            <Button isSmall disabled={again.isPending} onClick={() => again.mutate(one.purpose)}>
              {t("git.again")}
            </Button>
          )}
        </div>
      ))}
      {again.error && <p className="field-problem">{reasonOf(again.error)}</p>}
    </section>
  );
}

function stateOf({ state, fraction }: Repository, t: ReturnType<typeof useT>): string {
  if (state === "cloning" && fraction !== null) {
    return t("git.percent", { percent: Math.round(fraction * 100) });
  }
  return t(`git.${state}`);
}
