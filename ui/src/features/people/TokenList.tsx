import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { type SubmitEvent, useState } from "react";
import { reasonOf } from "../../api/mutations";
import { type ApiToken, ask, SCOPES, type TokenMade, tokensQuery } from "../../api/people";
import { type Translate, useT } from "../../shared/i18n/messages";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Confirm";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { Modal } from "../../ui/Modal";
import { Skeleton } from "../../ui/Skeleton";
import { type Column, Table } from "../../ui/Table";
import { Failed } from "./Failed";
import "./people.css";
import { usePeopleChange } from "./usePeopleChange";

type Scope = (typeof SCOPES)[number];
const isScope = (text: string): text is Scope => (SCOPES as readonly string[]).includes(text);

/** What a token may do, in words. */
export const scopesText = (t: Translate, scopes: readonly string[] | null): string =>
  scopes === null
    ? t("me.everything")
    : scopes.map((one) => (isScope(one) ? t(`scope.${one}`) : one)).join(", ");

/** One's API tokens: list, make, revoke. */
export function TokenList() {
  const t = useT();
  const { data, error, refetch } = useQuery(tokensQuery);
  const [asked, setAsked] = useState<ApiToken | null>(null);
  const revoke = usePeopleChange(
    ({ id }: ApiToken) => ask("DELETE", ["tokens", id]),
    tokensQuery.queryKey,
    ({ name }) => t("me.revoked", { name }),
  );
  const day = (time: string | null, none: string) =>
    time === null ? none : <time dateTime={time}>{new Date(time).toLocaleDateString(t.locale)}</time>;
  const columns: Column<ApiToken>[] = [
    {
      key: "name",
      head: t("me.token"),
      cell: ({ name, prefix }) => (
        <>
          {name} {prefix && <code className="whole">{prefix}…</code>}
        </>
      ),
    },
    { key: "scopes", head: t("me.scopes"), cell: ({ scopes }) => scopesText(t, scopes) },
    {
      key: "expires",
      head: t("me.expires"),
      isWhole: true,
      cell: ({ expires_at }) => day(expires_at, t("me.never")),
    },
    {
      key: "used",
      head: t("me.used"),
      isWhole: true,
      cell: ({ last_used_at }) => day(last_used_at, t("me.notUsed")),
    },
    {
      key: "revoke",
      head: t("me.revoke"),
      cell: (token) => (
        <IconButton
          icon={Trash2}
          label={t("me.revokeOne", { name: token.name })}
          onClick={() => setAsked(token)}
        />
      ),
    },
  ];
  return (
    <section className="card pad" aria-label={t("me.tokens")}>
      <h2>{t("me.tokens")}</h2>
      <p className="muted">{t("me.tokensHint")}</p>
      {!data && !error && <Skeleton lines={3} label={t("app.loading")} />}
      {error && !data && <Failed error={error} onRetry={() => void refetch()} />}
      {data?.tokens.length === 0 && <p>{t("me.tokensNone")}</p>}
      {data && data.tokens.length > 0 && (
        <Table label={t("me.tokens")} columns={columns} rows={data.tokens} keyOf={({ id }) => id} />
      )}
      <NewToken />
      {asked && (
        <Confirm
          title={t("me.revokeOne", { name: asked.name })}
          description={t("me.revokeHint")}
          verb={t("me.revoke")}
          isDangerous
          isBusy={revoke.isPending}
          onConfirm={() => revoke.mutate(asked, { onSettled: () => setAsked(null) })}
          onClose={() => setAsked(null)}
        />
      )}
    </section>
  );
}

function NewToken() {
  const t = useT();
  const [name, setName] = useState("");
  const [days, setDays] = useState(90);
  const [isNarrow, setIsNarrow] = useState(false);
  const [scopes, setScopes] = useState<readonly Scope[]>([]);
  const [secret, setSecret] = useState("");
  const make = usePeopleChange(
    (wanted: Record<string, unknown>) => ask<TokenMade>("POST", ["tokens"], wanted),
    tokensQuery.queryKey,
    undefined,
    true,
  );
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const wanted = { name: name.trim(), expires_in: `${days}d`, scopes: isNarrow ? scopes : null };
    make.mutate(wanted, {
      onSuccess: (made) => {
        setSecret(made.secret);
        setName("");
      },
    });
  };
  return (
    <form className="form-grid" onSubmit={submit} aria-label={t("me.newToken")}>
      <Field
        label={t("me.tokenName")}
        hint={t("me.tokenNameHint")}
        problem={make.error ? reasonOf(make.error) : undefined}
      >
        {(props) => (
          <input
            {...props}
            className="input"
            required
            maxLength={63}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <Field label={t("me.days")}>
        {(props) => (
          <input
            {...props}
            className="input"
            type="number"
            min={1}
            max={366}
            required
            value={days}
            onChange={(event) => setDays(event.target.valueAsNumber || 90)}
          />
        )}
      </Field>
      <label className="switch">
        <input type="checkbox" checked={isNarrow} onChange={() => setIsNarrow(!isNarrow)} />
        {t("me.narrow")}
      </label>
      {isNarrow && (
        <fieldset className="people-choices">
          <legend>{t("me.scopes")}</legend>
          <div>
            {SCOPES.map((scope) => (
              <label key={scope} className="switch">
                <input
                  type="checkbox"
                  checked={scopes.includes(scope)}
                  onChange={({ target }) =>
                    setScopes(target.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))
                  }
                />
                {t(`scope.${scope}`)}
              </label>
            ))}
          </div>
        </fieldset>
      )}
      <div className="form-actions">
        <Button kind="primary" type="submit" disabled={make.isPending || !name.trim()}>
          {t("me.newToken")}
        </Button>
      </div>
      <SecretDialog
        title={t("me.newToken")}
        text={t("me.secret")}
        secret={secret}
        verb={t("me.copied")}
        onClose={() => setSecret("")}
      />
    </form>
  );
}

interface SecretDialogProps {
  title: string;
  text: string;
  secret: string;
  verb: string;
  onClose: () => void;
}

/** Shows a secret this once. */
export function SecretDialog({ title, text, secret, verb, onClose }: SecretDialogProps) {
  const t = useT();
  const copy = () => void navigator.clipboard.writeText(secret).then(() => tell("success", t("app.copied")));
  return (
    // A click beside it would lose what is shown this once.
    <Modal isOpen={secret !== ""} onClose={onClose} title={title} description={text} isFilled>
      <code className="secret-once">{secret}</code>
      <div className="modal-actions">
        <Button onClick={copy}>{t("app.copy")}</Button>
        <Button kind="primary" onClick={onClose}>
          {verb}
        </Button>
      </div>
    </Modal>
  );
}
