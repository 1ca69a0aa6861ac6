import { type FormEvent, useState } from "react";
import { ApiError } from "../../api/client";
import { reasonOf } from "../../api/mutations";
import { type SecretKind, type SecretWish, useSetSecret } from "../../api/secrets";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { tell } from "../../shared/toasts";
import { Field } from "../../ui/Field";

addEnglish(more);

const KINDS: readonly SecretKind[] = ["environment", "file", "git"];
const EMPTY = { name: "", value: "", path: "", host: "", username: "" };

/** The same rule as the service's; it stays the judge. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** Bytes of one value; the service stays the judge of this, too. */
const LARGEST = 65_536;

/** Sets a secret. What is typed is in this form only: in no draft, no cache and no address. */
export function SecretForm({ workspaceId }: { workspaceId: string | null }) {
  const t = useT();
  const Heading = workspaceId === null ? "h2" : "h3";
  const [kind, setKind] = useState<SecretKind>("environment");
  const [form, setForm] = useState(EMPTY);
  const set = useSetSecret(workspaceId);
  const refused = set.error instanceof ApiError ? set.error : null;
  const put = (change: Partial<typeof EMPTY>) => {
    set.reset();
    setForm({ ...form, ...change });
  };
  const nameProblem = form.name !== "" && !NAME.test(form.name) ? t("secrets.nameInvalid") : undefined;
  const problemOf = (field: string) => (refused?.field === field ? reasonOf(refused) : undefined);
  const isTooLarge = new Blob([form.value]).size > LARGEST;
  const isComplete =
    !isTooLarge && NAME.test(form.name) && form.value !== "" && (kind !== "git" || form.host !== "");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isComplete || set.isPending) return;
    const { name } = form;
    set.mutate(
      { name, wish: wishOf(kind, form) },
      {
        onSuccess: () => {
          setForm(EMPTY);
          set.reset();
          tell("success", t("secrets.isSet", { name }));
        },
      },
    );
  };
  const text = (field: "path" | "host" | "username", label: string, hint: string) => (
    <Field label={label} hint={hint} problem={problemOf(field)}>
      {(input) => (
        <input
          {...input}
          autoComplete="off"
          spellCheck={false}
          value={form[field]}
          onChange={(event) => put({ [field]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <form className="panel" onSubmit={submit} noValidate autoComplete="off">
      <Heading>{t("secrets.add")}</Heading>
      <Field label={t("secrets.kind")} problem={problemOf("kind")}>
        {(input) => (
          <select
            {...input}
            value={kind}
            onChange={(event) => {
              set.reset();
              setKind(event.target.value as SecretKind);
            }}
          >
            {KINDS.map((one) => (
              <option key={one} value={one}>
                {t(`secrets.${one}`)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field
        label={t("secrets.name")}
        hint={kind === "environment" ? t("secrets.variableHint") : undefined}
        problem={nameProblem ?? problemOf("name")}
      >
        {(input) => (
          <input
            {...input}
            autoComplete="off"
            spellCheck={false}
            maxLength={128}
            value={form.name}
            onChange={(event) => put({ name: event.target.value })}
          />
        )}
      </Field>
      {kind === "file" && text("path", t("secrets.path"), t("secrets.pathHint"))}
      {kind === "git" && text("host", t("secrets.host"), t("secrets.hostHint"))}
      {kind === "git" && text("username", t("secrets.username"), t("secrets.usernameHint"))}
      <Field
        label={t("secrets.value")}
        hint={t("secrets.valueHint")}
        problem={isTooLarge ? t("secrets.tooLarge") : problemOf("value")}
      >
        {(input) =>
          kind === "file" ? (
            <textarea
              {...input}
              rows={5}
              spellCheck={false}
              value={form.value}
              onChange={(event) => put({ value: event.target.value })}
            />
          ) : (
            <input
              {...input}
              type="password"
              autoComplete="new-password"
              value={form.value}
              onChange={(event) => put({ value: event.target.value })}
            />
          )
        }
      </Field>
      {set.error && !refused?.field && (
        <p className="field-problem" role="alert">
          {reasonOf(set.error)}
        </p>
      )}
      <div className="form-actions">
        <button type="submit" className="button button-primary" disabled={!isComplete || set.isPending}>
          {t("secrets.save")}
        </button>
      </div>
    </form>
  );
}

function wishOf(kind: SecretKind, { value, path, host, username }: typeof EMPTY): SecretWish {
  switch (kind) {
    case "environment":
      return { kind, value };
    case "file":
      return path ? { kind, value, path } : { kind, value };
    case "git":
      return username ? { kind, value, host, username } : { kind, value, host };
  }
}
