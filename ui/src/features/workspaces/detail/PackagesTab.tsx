import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { reasonOf, useChangeWorkspace } from "../../../api/mutations";
import { templatesQuery } from "../../../api/queries";
import { useT } from "../../../shared/i18n/messages";
import { useFormDraft } from "../../../shared/formDraft";
import { tell } from "../../../shared/toasts";
import { PackagePicker, useUnknown } from "../creation/PackagePicker";
import { useRestartQuestion } from "./useRestartQuestion";
import { useDetail } from "../../../api/detail";

const NONE: readonly string[] = [];
const isNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === "string");

/** What is in the workspace; adding and removing shows the difference before anything is built. */
export function PackagesTab() {
  const t = useT();
  const detail = useDetail();
  const { template, packages } = detail.config;
  const { data: templates = [] } = useQuery(templatesQuery);
  const change = useChangeWorkspace(detail);
  const restart = useRestartQuestion(detail);
  const failure = change.error ?? restart.error;
  const [draft, setDraft] = useFormDraft(`packages/${detail.id}`, isNames);
  const [search, setSearch] = useState("");
  const chosen = draft ?? packages;
  const added = chosen.filter((name) => !packages.includes(name));
  const removed = packages.filter((name) => !chosen.includes(name));
  const unknown = useUnknown(added);
  const base = templates.find((one) => one.name === template);
  const apply = () => {
    const wanted = { packages: [...chosen] };
    restart.ask(wanted, () =>
      change.mutate(wanted, {
        onSuccess: () => {
          setDraft(null);
          tell("success", t("packages.applied"));
        },
      }),
    );
  };
  return (
    <div className="panels">
      {restart.dialog}
      <section className="panel">
        {chosen.length === 0 && <p className="muted">{t("packages.none")}</p>}
        <PackagePicker
          chosen={chosen}
          onChange={(next) => {
            change.reset();
            restart.reset();
            setDraft(next);
            setSearch("");
          }}
          search={search}
          base={base?.packages ?? NONE}
          onSearch={setSearch}
          problem={failure ? reasonOf(failure) : undefined}
        />
        {(added.length > 0 || removed.length > 0) && (
          <>
            <h3>{t("packages.difference")}</h3>
            <ul>
              {added.map((name) => (
                <li key={name} className={unknown.includes(name) ? "change-removed" : "change-added"}>
                  + {name} ({t(unknown.includes(name) ? "packages.unknown" : "packages.added")})
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
                disabled={change.isPending || restart.isPending || unknown.length > 0}
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
