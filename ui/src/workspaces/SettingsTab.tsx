import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError } from "../api/client";
import { reasonOf, useChangeWorkspace, useRebuild } from "../api/mutations";
import { capacityQuery } from "../api/queries";
import type { WorkspaceDetail } from "../api/types";
import { useT } from "../i18n/messages";
import { Field } from "../shared/Field";
import { number } from "../shared/format";
import { tell } from "../shared/toasts";
import { LazyDeleteDialog } from "./LazyDeleteDialog";
import { useDeleteDialog } from "./useDeleteDialog";
import { limitsOf, portsOf, sizeProblem, SIZES, type SizeName } from "./validation";
import { useDetail } from "./WorkspaceDetailView";

/** What can be changed of a workspace as a whole, and its end. */
export function SettingsTab() {
  const t = useT();
  const detail = useDetail();
  const deleting = useDeleteDialog();
  const rebuild = useRebuild(detail);
  return (
    <div className="panels panels-two">
      <ResizeForm key={JSON.stringify(detail.config)} detail={detail} />
      <PortsForm key={detail.config.ports.join(" ")} detail={detail} />
      <section className="panel">
        <h3>{t("settings.rebuild")}</h3>
        <p className="muted">{t("settings.rebuildHint")}</p>
        <div className="form-actions">
          <button
            type="button"
            className="button"
            disabled={rebuild.isPending}
            onClick={() => rebuild.mutate(undefined)}
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
      <LazyDeleteDialog workspaces={deleting.asked} onClose={deleting.close} />
    </div>
  );
}

function ResizeForm({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { config } = detail;
  const { data: capacity } = useQuery(capacityQuery);
  const change = useChangeWorkspace(detail);
  const [form, setForm] = useState<Record<SizeName, string>>({
    cpu: String(config.cpu),
    memory: String(config.memory),
    storage: String(config.storage),
  });
  const limits = limitsOf(capacity ?? null);
  const room = capacity
    ? { min: config.storage, max: config.storage + capacity.storage_free }
    : limits.storage;
  const ranges = { ...limits, storage: room };
  const refused = change.error instanceof ApiError ? change.error : null;
  const problemOf = (size: SizeName) => {
    const { min, max } = ranges[size];
    if (sizeProblem(form[size], ranges[size])) {
      return max === null
        ? t("create.number", { min: number(min, t.locale) })
        : t("create.numberRange", { min: number(min, t.locale), max: number(max, t.locale) });
    }
    return refused?.field === size ? refused.message : undefined;
  };
  const changed = SIZES.filter((size) => Number(form[size]) !== config[size]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (changed.length === 0 || SIZES.some((size) => sizeProblem(form[size], ranges[size]))) return;
    change.mutate(Object.fromEntries(changed.map((size) => [size, Number(form[size])])), {
      onSuccess: () => tell("success", t("settings.resized")),
    });
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
                  setForm({ ...form, [size]: event.target.value.replace(",", ".") });
                }}
              />
            )}
          </Field>
        ))}
      </div>
      {change.error && !refused?.field && <p className="field-problem">{reasonOf(change.error)}</p>}
      <div className="form-actions">
        <button
          type="submit"
          className="button button-primary"
          disabled={changed.length === 0 || change.isPending}
        >
          {t("app.save")}
        </button>
      </div>
    </form>
  );
}

function PortsForm({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const change = useChangeWorkspace(detail);
  const [text, setText] = useState(detail.config.ports.join(" "));
  const ports = portsOf(text);
  const isChanged = ports !== null && ports.join(" ") !== detail.config.ports.join(" ");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ports && isChanged) {
      change.mutate({ ports }, { onSuccess: () => tell("success", t("packages.applied")) });
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
