import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { mayCreate, useSession } from "../../api/abilities";
import { reasonOf } from "../../api/mutations";
import { templatesQuery, workspacesQuery } from "../../api/queries";
import type { Template } from "../../api/types";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { templateTexts } from "../../shared/i18n/names";
import { draftTemplate } from "../../shared/creationDraft";
import { useTitle } from "../../shared/useTitle";
import { Badge } from "../../ui/Badge";
import { Button, buttonClass } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Skeleton } from "../../ui/Skeleton";

addEnglish(more);

/** The bases that workspaces are made from: what is in each, who uses it, and the way to a new one. */
export function TemplatesView() {
  const t = useT();
  const { data, error, isPending, refetch } = useQuery(templatesQuery);
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  useTitle(t("templates.title"));
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("templates.title")}</h1>
        {data && <span className="muted">{data.length}</span>}
      </header>
      {isPending && <Skeleton lines={6} label={t("app.loading")} />}
      {error && !data && (
        <EmptyState title={t("templates.failed")} isAlert>
          <p>{reasonOf(error)}</p>
          <Button onClick={() => void refetch()}>{t("app.retry")}</Button>
        </EmptyState>
      )}
      <ul className="cards">
        {data?.map((template) => (
          <TemplateCard
            key={template.name}
            template={template}
            uses={workspaces.filter((one) => one.template === template.name).length}
          />
        ))}
      </ul>
    </div>
  );
}

function TemplateCard({ template, uses }: { template: Template; uses: number }) {
  const t = useT();
  const { name, packages } = template;
  const isMaker = mayCreate(useSession());
  const { title, description } = templateTexts(t, template);
  return (
    <li className="card template-page-card">
      <h2>{title}</h2>
      <p className="muted">{description}</p>
      <p className="tags" aria-label={t("detail.packages")}>
        {packages.map((one) => (
          <Badge key={one}>{one}</Badge>
        ))}
        {packages.length === 0 && <span className="muted">{t("templates.bare")}</span>}
      </p>
      <div className="card-foot">
        {uses > 0 ? (
          <Link to="/workspaces" search={{ q: `template:${name}` }}>
            {t.count("templates.uses", uses)}
          </Link>
        ) : (
          <span className="muted">{t("templates.unused")}</span>
        )}
        {isMaker && (
          <Link
            to="/workspaces"
            search={{ new: true }}
            className={buttonClass("plain", true)}
            onClick={() => draftTemplate(name)}
          >
            <Plus aria-hidden size={14} />
            {t("templates.create", { title })}
          </Link>
        )}
      </div>
    </li>
  );
}
