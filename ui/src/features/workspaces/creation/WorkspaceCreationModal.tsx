import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError } from "../../../api/client";
import { reasonOf } from "../../../api/mutations";
import { capacityQuery, templatesQuery, workspacesQuery } from "../../../api/queries";
import { repositoryOf } from "../../../api/secrets";
import { DIMENSIONS, ownQuotasQuery, type Quota } from "../../../api/people";
import type { Capacity, WorkspaceConfig } from "../../../api/types";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { people } from "../../../shared/i18n/people.en";
import { Field } from "../../../ui/Field";
import { gigabytes, number } from "../../../shared/format";
import { NO_DRAFT, type START, useCreationDraft } from "../../../shared/creationDraft";
import { Modal } from "../../../ui/Modal";
import { NetworkFields, networkOf } from "./NetworkFields";
import { PackagePicker } from "./PackagePicker";
import { TemplateCards } from "./TemplateCards";
import { EstimatedCost } from "./EstimatedCost";
import { limitsOf, nameProblem, sizeProblem, SIZES, type SizeName } from "./validation";

addEnglish(people);

export interface WorkspaceCreationModalProps {
  isOpen: boolean;
  onClose: () => void;
  onCreateWorkspace: (config: WorkspaceConfig) => void;
}

interface Outcome {
  /** The service has been asked and has not answered yet. */
  isBusy?: boolean;
  /** Why the service refused; its field is shown at the input that it names. */
  failure?: Error | null;
}

const NONE: readonly string[] = [];
/** Asks for everything that a new workspace needs, and says what is wrong with it as it is typed. */
export default function WorkspaceCreationModal(props: WorkspaceCreationModalProps & Outcome) {
  const t = useT();
  const [draft] = useCreationDraft();
  return (
    <Modal isOpen={props.isOpen} onClose={props.onClose} title={t("create.title")} isFilled={draft !== null}>
      <CreationForm {...props} />
    </Modal>
  );
}

function CreationForm({
  onClose,
  onCreateWorkspace,
  isBusy = false,
  failure = null,
}: WorkspaceCreationModalProps & Outcome) {
  const t = useT();
  const [draft, setDraft] = useCreationDraft();
  const filled = draft ?? NO_DRAFT;
  const { form, packages } = filled;
  const [isChecked, setIsChecked] = useState(false);
  // What the service said of a value counts until that value is changed.
  const [answered, setAnswered] = useState<{ failure: Error | null; values: string }>({
    failure: null,
    values: "",
  });
  const values = JSON.stringify([form, packages]);
  if (failure !== answered.failure) setAnswered({ failure, values });
  const refused =
    answered.failure instanceof ApiError && answered.values === values ? answered.failure : null;

  const { data: templates, error: templatesError } = useQuery(templatesQuery);
  const { data: capacity } = useQuery(capacityQuery);
  const { data: bounds } = useQuery(ownQuotasQuery);
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  const limits = limitsOf(capacity ?? null);

  const nameIssue = nameProblem(form.name, workspaces);
  const nameText = nameIssue && (form.name || isChecked) ? t(nameIssue) : undefined;
  const sizeText = (size: SizeName) => {
    const problem = sizeProblem(form[size], limits[size]);
    if (!problem) return undefined;
    const { min, max } = limits[size];
    return max === null
      ? t("create.number", { min: number(min, t.locale) })
      : t("create.numberRange", { min: number(min, t.locale), max: number(max, t.locale) });
  };
  const problemOf = (field: string, own: string | undefined) =>
    own ?? (refused?.field === field ? reasonOf(refused) : undefined);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setIsChecked(true);
    if (nameIssue || SIZES.some((size) => sizeText(size))) {
      const element = event.currentTarget;
      requestAnimationFrame(() => element.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    const { name, template, cpu, memory, storage } = form;
    const git = repositoryOf(form.git);
    onCreateWorkspace({
      name,
      template,
      cpu: Number(cpu),
      memory: Number(memory),
      storage: Number(storage),
      packages: [...packages],
      ...(git && { git }),
      ...networkOf(form),
    });
  };
  const put = (change: Partial<typeof START>) => setDraft({ ...filled, form: { ...form, ...change } });
  const listed = refused?.field?.startsWith("/allow")
    ? reasonOf(refused).replace(`${refused.field}: `, "")
    : undefined;
  const named = ["name", "template", "packages", "git", "network", ...SIZES];
  const unplaced =
    failure && answered.values === values && !(refused?.field && (named.includes(refused.field) || listed));
  return (
    <form className="create-form" onSubmit={submit} noValidate>
      <Field label={t("create.name")} hint={t("create.nameHint")} problem={problemOf("name", nameText)}>
        {(field) => (
          <input
            {...field}
            autoComplete="off"
            spellCheck={false}
            maxLength={63}
            value={form.name}
            onChange={(event) => put({ name: event.target.value })}
          />
        )}
      </Field>
      {templatesError && <p className="field-problem">{t("create.templatesFailed")}</p>}
      <TemplateCards
        templates={templates ?? []}
        chosen={form.template}
        onChoose={(template) => put({ template })}
        problem={problemOf("template", undefined)}
      />
      <div className="sizes">
        {SIZES.map((size) => (
          <Field
            key={size}
            label={t(`create.${size}`)}
            hint={capacity && sizeHint(size, capacity, t)}
            problem={problemOf(size, sizeText(size))}
          >
            {(field) => (
              <input
                {...field}
                inputMode="decimal"
                value={form[size]}
                onChange={(event) => put({ [size]: event.target.value.replace(",", ".") })}
              />
            )}
          </Field>
        ))}
      </div>
      {bounds?.quotas.map((quota) => (
        <p key={`${quota.kind} ${quota.subject_id}`} className="muted">
          {t("create.quota", { name: quota.name, text: quotaText(quota, t) })}
        </p>
      ))}
      <EstimatedCost cpu={Number(form.cpu)} memory={Number(form.memory)} storage={Number(form.storage)} />
      <PackagePicker
        chosen={packages}
        onChange={(next) => setDraft({ ...filled, packages: next, search: "" })}
        search={filled.search}
        base={templates?.find((one) => one.name === form.template)?.packages ?? NONE}
        onSearch={(search) => setDraft({ ...filled, search })}
        problem={problemOf("packages", undefined)}
      />
      <Field label={t("create.git")} hint={t("create.gitHint")} problem={problemOf("git", undefined)}>
        {(field) => (
          <input
            {...field}
            autoComplete="off"
            spellCheck={false}
            value={form.git}
            onChange={(event) => put({ git: event.target.value })}
          />
        )}
      </Field>
      <NetworkFields
        form={form}
        onChange={put}
        problems={{ network: problemOf("network", undefined), allow: listed }}
      />
      {unplaced && (
        <p className="field-problem" role="alert">
          {reasonOf(failure)}
        </p>
      )}
      <div className="modal-actions">
        {draft && (
          <button type="button" className="button button-quiet" onClick={() => setDraft(null)}>
            {t("create.clear")}
          </button>
        )}
        <button type="button" className="button" onClick={onClose}>
          {t("app.cancel")}
        </button>
        <button type="submit" className="button button-primary" disabled={isBusy}>
          {isBusy ? t("create.busy") : t("create.submit")}
        </button>
      </div>
    </form>
  );
}

/** A quota with what of it is used, where it has a bound. */
function quotaText({ used, allowed }: Quota, t: ReturnType<typeof useT>): string {
  const parts = DIMENSIONS.flatMap((one) => {
    const bound = allowed[one];
    if (bound === null) return [];
    const figures = { used: number(used[one] ?? 0, t.locale), allowed: number(bound, t.locale) };
    return [`${t(`people.${one}`)} ${t("people.ofAllowed", figures)}`];
  });
  return parts.join(", ");
}

function sizeHint(size: SizeName, capacity: Capacity, t: ReturnType<typeof useT>): string {
  switch (size) {
    case "cpu":
      return t("create.cores", { total: t.count("meter.cores", capacity.cpu_total) });
    case "memory":
      return t("create.shared", {
        amount: gigabytes(capacity.memory_free, t.locale),
        total: gigabytes(capacity.memory_total, t.locale),
      });
    case "storage":
      return t("create.left", { amount: gigabytes(capacity.storage_free, t.locale) });
  }
}
