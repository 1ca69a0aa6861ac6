import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError } from "../api/client";
import { reasonOf } from "../api/mutations";
import { capacityQuery, templatesQuery, workspacesQuery } from "../api/queries";
import type { Capacity, WorkspaceConfig } from "../api/types";
import { useT } from "../i18n/messages";
import { Field } from "../shared/Field";
import { gigabytes, number } from "../shared/format";
import { Modal } from "../shared/Modal";
import { PackagePicker } from "./PackagePicker";
import { TemplateCards } from "./TemplateCards";
import { limitsOf, nameProblem, sizeProblem, SIZES, type SizeName } from "./validation";

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

const START = { name: "", template: "development", cpu: "2", memory: "4", storage: "20" };

/** Asks for everything that a new workspace needs, and says what is wrong with it as it is typed. */
export default function WorkspaceCreationModal(props: WorkspaceCreationModalProps & Outcome) {
  const t = useT();
  return (
    <Modal isOpen={props.isOpen} onClose={props.onClose} title={t("create.title")}>
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
  const [form, setForm] = useState(START);
  const [packages, setPackages] = useState<readonly string[]>([]);
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
    own ?? (refused?.field === field ? refused.message : undefined);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setIsChecked(true);
    if (nameIssue || SIZES.some((size) => sizeText(size))) {
      const element = event.currentTarget;
      requestAnimationFrame(() => element.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    const { name, template, cpu, memory, storage } = form;
    onCreateWorkspace({
      name,
      template,
      cpu: Number(cpu),
      memory: Number(memory),
      storage: Number(storage),
      packages: [...packages],
    });
  };
  const put = (change: Partial<typeof START>) => setForm((before) => ({ ...before, ...change }));
  const named = ["name", "template", "packages", ...SIZES];
  const unplaced =
    failure && answered.values === values && !(refused?.field && named.includes(refused.field));
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
      <PackagePicker chosen={packages} onChange={setPackages} problem={problemOf("packages", undefined)} />
      {unplaced && (
        <p className="field-problem" role="alert">
          {reasonOf(failure)}
        </p>
      )}
      <div className="modal-actions">
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

function sizeHint(size: SizeName, capacity: Capacity, t: ReturnType<typeof useT>): string {
  switch (size) {
    case "cpu":
      return t("create.shared", {
        amount: number(capacity.cpu_free, t.locale),
        total: t.count("meter.cores", capacity.cpu_total),
      });
    case "memory":
      return t("create.shared", {
        amount: gigabytes(capacity.memory_free, t.locale),
        total: gigabytes(capacity.memory_total, t.locale),
      });
    case "storage":
      return t("create.left", { amount: gigabytes(capacity.storage_free, t.locale) });
  }
}
