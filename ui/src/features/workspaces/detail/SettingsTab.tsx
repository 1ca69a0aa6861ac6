import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import type { FormEvent } from "react";
import { ApiError } from "../../../api/client";
import { reasonOf, useChangeWorkspace, useRebuild } from "../../../api/mutations";
import { capacityQuery, workspacesQuery } from "../../../api/queries";
import type { WorkspaceDetail } from "../../../api/types";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { more } from "../../../shared/i18n/more.en";
import { Field } from "../../../ui/Field";
import { number } from "../../../shared/format";
import { useFormDraft } from "../../../shared/formDraft";
import { tell } from "../../../shared/toasts";
import { RestPanels } from "./rest/RestPanels";
import { LazyDeleteDialog } from "../LazyDeleteDialog";
import { useDeleteDialog } from "../useDeleteDialog";
import { useRestartQuestion } from "./useRestartQuestion";
import { limitsOf, nameProblem, portsOf, sizeProblem, SIZES, type SizeName } from "../creation/validation";
import { useDetail } from "../../../api/detail";
import { AdvicePanel } from "./scaling/AdvicePanel";
import { AutoscalePanel } from "./scaling/AutoscalePanel";

addEnglish(more);

/** What can be changed of a workspace as a whole, and its end. */
export function SettingsTab() {
  const t = useT();
  const detail = useDetail();
  const deleting = useDeleteDialog();
  const rebuild = useRebuild(detail);
  const restart = useRestartQuestion(detail);
  const navigate = useNavigate();
  const leave = () => {
    tell("success", t("detail.deleting", { name: detail.name }));
    void navigate({ to: "/workspaces", search: true });
  };
  return (
    <div className="panels panels-two">
      <NameForm detail={detail} />
      <ResizeForm detail={detail} />
      <AdvicePanel workspaceId={detail.id} />
      <AutoscalePanel detail={detail} />
      <PortsForm detail={detail} />
      <RestPanels key={detail.id} id={detail.id} />
      <section className="panel">
        <h3>{t("settings.rebuild")}</h3>
        <p className="muted">{t("settings.rebuildHint")}</p>
        {restart.error && <p className="field-problem">{reasonOf(restart.error)}</p>}
        <div className="form-actions">
          <button
            type="button"
            className="button"
            disabled={rebuild.isPending || restart.isPending}
            onClick={() => restart.ask({ rebuild: true }, () => rebuild.mutate(undefined))}
          >
            {t("settings.rebuild")}
          </button>
        </div>
      </section>
      <section className="panel panel-fault" id="delete">
        <h3>{t("settings.delete")}</h3>
        <p className="muted">{t("settings.deleteHint")}</p>
        <div className="form-actions">
          <button type="button" className="button button-danger" onClick={() => deleting.ask([detail])}>
            {t("action.delete")}…
          </button>
        </div>
      </section>
      {restart.dialog}
      <LazyDeleteDialog workspaces={deleting.asked} onClose={deleting.close} onDeleted={leave} />
    </div>
  );
}

const isText = (value: unknown): value is string => typeof value === "string";
const isSizes = (value: unknown): value is Record<SizeName, string> =>
  SIZES.every((size) => isText((value as Record<string, unknown> | null)?.[size]));

function ResizeForm({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { config } = detail;
  const { data: capacity } = useQuery(capacityQuery);
  const change = useChangeWorkspace(detail);
  const restart = useRestartQuestion(detail);
  const [draft, setForm] = useFormDraft(`size/${detail.id}`, isSizes);
  const form = draft ?? {
    cpu: String(config.cpu),
    memory: String(config.memory),
    storage: String(config.storage),
  };
  const limits = limitsOf(capacity ?? null);
  const room = capacity
    ? { min: config.storage, max: config.storage + capacity.storage_free }
    : limits.storage;
  const ranges = { ...limits, storage: room };
  const failure = change.error ?? restart.error;
  const refused = failure instanceof ApiError ? failure : null;
  const problemOf = (size: SizeName) => {
    const { min, max } = ranges[size];
    if (sizeProblem(form[size], ranges[size])) {
      return max === null
        ? t("create.number", { min: number(min, t.locale) })
        : t("create.numberRange", { min: number(min, t.locale), max: number(max, t.locale) });
    }
    return refused?.field === size ? reasonOf(refused) : undefined;
  };
  const changed = SIZES.filter((size) => Number(form[size]) !== config[size]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (changed.length === 0 || SIZES.some((size) => sizeProblem(form[size], ranges[size]))) return;
    const wanted = Object.fromEntries(changed.map((size) => [size, Number(form[size])]));
    restart.ask(wanted, () =>
      change.mutate(wanted, {
        onSuccess: () => {
          setForm(null);
          tell("success", t("settings.resized"));
        },
      }),
    );
  };
  return (
    <form className="panel" onSubmit={submit} noValidate>
      <h3>{t("settings.resize")}</h3>
      <p className="muted">{t("settings.resizeHint")}</p>
      <div className="sizes">
        {SIZES.map((size) => (
          <Field key={size} label={t(`create.${size}`)} problem={problemOf(size)}>
            {(field) => (
              <input
                {...field}
                inputMode="decimal"
                value={form[size]}
                onChange={(event) => {
                  change.reset();
                  restart.reset();
                  setForm({ ...form, [size]: event.target.value.replace(",", ".") });
                }}
              />
            )}
          </Field>
        ))}
      </div>
      {failure && !refused?.field && <p className="field-problem">{reasonOf(failure)}</p>}
      {restart.dialog}
      <div className="form-actions">
        <button
          type="submit"
          className="button button-primary"
          disabled={changed.length === 0 || change.isPending || restart.isPending}
        >
          {t("app.save")}
        </button>
      </div>
    </form>
  );
}

function NameForm({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const navigate = useNavigate();
  const { workspaceId } = useParams({ from: "/app/workspaces/$workspaceId" });
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  const change = useChangeWorkspace(detail);
  const [draft, setName] = useFormDraft(`name/${detail.id}`, isText);
  const name = draft ?? detail.name;
  const others = workspaces.filter((one) => one.id !== detail.id);
  const wrong = nameProblem(name, others);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wrong || name === detail.name) return;
    const onSuccess = () => {
      setName(null);
      tell("success", t("settings.renamed", { name }));
      // An address with the old name leads nowhere any more.
      if (workspaceId !== detail.id) {
        void navigate({
          to: "/workspaces/$workspaceId/settings",
          params: { workspaceId: detail.id },
          search: true,
          replace: true,
        });
      }
    };
    change.mutate({ name }, { onSuccess });
  };
  const problem = wrong ? t(wrong) : change.error ? reasonOf(change.error) : undefined;
  return (
    <form className="panel" onSubmit={submit} noValidate>
      <Field label={t("create.name")} hint={t("settings.nameHint")} problem={problem}>
        {(field) => (
          <input
            {...field}
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => {
              change.reset();
              setName(event.target.value);
            }}
          />
        )}
      </Field>
      <div className="form-actions">
        <button
          type="submit"
          className="button button-primary"
          disabled={name === detail.name || change.isPending}
        >
          {t("settings.rename")}
        </button>
      </div>
    </form>
  );
}

function PortsForm({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const change = useChangeWorkspace(detail);
  const [draft, setText] = useFormDraft(`ports/${detail.id}`, isText);
  const text = draft ?? detail.config.ports.join(" ");
  const ports = portsOf(text);
  const isChanged = ports !== null && ports.join(" ") !== detail.config.ports.join(" ");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ports && isChanged) {
      change.mutate(
        { ports },
        {
          onSuccess: () => {
            setText(null);
            tell("success", t("settings.portsApplied"));
          },
        },
      );
    }
  };
  const problem =
    ports === null ? t("settings.portsInvalid") : change.error ? reasonOf(change.error) : undefined;
  return (
    <form className="panel" onSubmit={submit} noValidate>
      <Field label={t("settings.ports")} hint={t("settings.portsHint")} problem={problem}>
        {(field) => (
          <input
            {...field}
            value={text}
            onChange={(event) => {
              change.reset();
              setText(event.target.value);
            }}
          />
        )}
      </Field>
      <div className="form-actions">
        <button type="submit" className="button button-primary" disabled={!isChanged || change.isPending}>
          {t("app.save")}
        </button>
      </div>
    </form>
  );
}
