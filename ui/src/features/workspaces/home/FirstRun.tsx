import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { mayCreate, useSession } from "../../../api/abilities";
import { capacityQuery, templatesQuery } from "../../../api/queries";
import type { WorkspaceConfig } from "../../../api/types";
import { gigabytes } from "../../../shared/format";
import { home } from "../../../shared/i18n/home.en";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { templateTexts } from "../../../shared/i18n/names";
import { Button } from "../../../ui/Button";
import { EmptyState } from "../../../ui/EmptyState";
import { Skeleton } from "../../../ui/Skeleton";
import { NothingShared } from "./NothingShared";
import { quickConfig } from "./quickConfig";

addEnglish(home);

interface FirstRunProps {
  /** The template of the workspace that is being asked for. */
  busy: string | null;
  onCreate: (config: WorkspaceConfig) => void;
}

/** What stands in the list's place while there is no workspace. */
export const FirstRun = (props: FirstRunProps) =>
  mayCreate(useSession()) ? <FirstTemplates {...props} /> : <NothingShared />;

/** Each template makes a workspace with one click. */
function FirstTemplates({ busy, onCreate }: FirstRunProps) {
  const t = useT();
  const { data: templates, error, refetch } = useQuery(templatesQuery);
  const { data: capacity = null } = useQuery(capacityQuery);
  return (
    <section className="first-run" aria-labelledby="first-run-title">
      <h1 id="first-run-title">{t("first.title")}</h1>
      <p className="first-run-lead muted">{t("first.lead")}</p>
      {!templates && !error && <Skeleton lines={6} label={t("app.loading")} />}
      {error && !templates && (
        <EmptyState title={t("create.templatesFailed")} isAlert>
          <Button onClick={() => void refetch()}>{t("app.retry")}</Button>
        </EmptyState>
      )}
      <ul className="first-run-cards">
        {templates?.map((template) => {
          const config = quickConfig(template.name, capacity, []);
          const { title, description } = templateTexts(t, template);
          return (
            <li key={template.name}>
              <button
                type="button"
                className="card first-run-card"
                disabled={busy !== null}
                onClick={() => onCreate(config)}
              >
                <b>{title}</b>
                <span>{description}</span>
                <span className="cell-note">
                  {busy === template.name
                    ? t("create.busy")
                    : [
                        t.count("meter.cores", config.cpu),
                        gigabytes(config.memory, t.locale),
                        t("first.disk", { size: gigabytes(config.storage, t.locale) }),
                      ].join(" · ")}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      <p className="first-run-more">
        <Link to="." search={{ new: true as const }}>
          {t("first.custom")}
        </Link>
      </p>
      <p className="cell-note">
        {t("first.then")} <span>○ {t("first.terminal")}</span> <span>○ {t("first.ssh")}</span>{" "}
        <span>○ {t("first.packages")}</span>
      </p>
    </section>
  );
}
