import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { reasonOf, useChangeWorkspace } from "../api/mutations";
import { templatesQuery } from "../api/queries";
import { useT } from "../i18n/messages";
import { tell } from "../shared/toasts";
import { PackagePicker } from "./PackagePicker";
import { useDetail } from "./WorkspaceDetailView";

/** What is in the workspace; adding and removing shows the difference before anything is built. */
export function PackagesTab() {
  const t = useT();
  const detail = useDetail();
  const { template, packages } = detail.config;
  const { data: templates = [] } = useQuery(templatesQuery);
  const change = useChangeWorkspace(detail);
  const [draft, setDraft] = useState<readonly string[] | null>(null);
  const chosen = draft ?? packages;
  const added = chosen.filter((name) => !packages.includes(name));
  const removed = packages.filter((name) => !chosen.includes(name));
  const base = templates.find((one) => one.name === template);
  const apply = () =>
    change.mutate(
      { packages: [...chosen] },
      {
        onSuccess: () => {
          setDraft(null);
          tell("success", t("packages.applied"));
        },
      },
    );
  return (
    <div className="panels">
      <section className="panel">
        {chosen.length === 0 && <p className="muted">{t("packages.none")}</p>}
        <PackagePicker
          chosen={chosen}
          onChange={(next) => {
            change.reset();
            setDraft(next);
          }}
          problem={change.error ? reasonOf(change.error) : undefined}
        />
        {(added.length > 0 || removed.length > 0) && (
          <>
            <h3>{t("packages.difference")}</h3>
            <ul>
              {added.map((name) => (
                <li key={name} className="change-added">
                  + {name} ({t("packages.added")})
                </li>
              ))}
              {removed.map((name) => (
                <li key={name} className="change-removed">
                  − {name} ({t("packages.removed")})
                </li>
              ))}
            </ul>
            <div className="form-actions">
              <button
                type="button"
                className="button button-primary"
                disabled={change.isPending}
                onClick={apply}
              >
                {t("packages.apply")}
              </button>
              <button type="button" className="button" onClick={() => setDraft(null)}>
                {t("packages.discard")}
              </button>
            </div>
          </>
        )}
      </section>
      <section className="panel">
        <h3>{t("packages.template", { name: base?.title ?? template })}</h3>
        {base?.packages.length === 0 && <p className="muted">{t("detail.none")}</p>}
        <ul className="chips">
          {base?.packages.map((name) => (
            <li key={name} className="chip chip-plain">
              {name}
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}
