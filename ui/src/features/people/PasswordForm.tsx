import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { passkeysQuery, proofOf } from "../../api/passkeys";
import { ask } from "../../api/people";
import { useT } from "../../shared/i18n/messages";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { passkeyProblem } from "../../api/passkeyProblem";

/** Sets the password; the current one or a passkey is asked for where there is one. */
export function PasswordForm({ hasPassword }: { hasPassword: boolean }) {
  const t = useT();
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const { data } = useQuery(passkeysQuery);
  const mustConfirm = data?.must_confirm ?? true;
  const passkeys = (mustConfirm && data?.passkeys) || [];
  const set = useMutation({
    mutationFn: async () =>
      ask("PUT", ["me", "password"], { password, ...(await proofOf(current, passkeys)) }),
    // Nothing keeps the passwords.
    gcTime: 0,
    onSuccess: () => {
      setCurrent("");
      setPassword("");
      tell("success", t("me.passwordSet"));
      void client.invalidateQueries({ queryKey: ["me"] });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    set.mutate();
  };
  return (
    <section className="card pad" aria-label={t("me.password")}>
      <h2>{t("me.password")}</h2>
      <form className="form-grid" onSubmit={submit} aria-label={t("me.password")}>
        {hasPassword && mustConfirm && (
          <Field label={t("me.current")} hint={passkeys.length > 0 && t("passkeys.passwordOr")}>
            {(props) => (
              <input
                {...props}
                className="input"
                type="password"
                autoComplete="current-password"
                required={passkeys.length === 0}
                value={current}
                onChange={(event) => setCurrent(event.target.value)}
              />
            )}
          </Field>
        )}
        <Field
          label={t("me.newPassword")}
          hint={t("me.passwordHint")}
          problem={set.error ? passkeyProblem(t, set.error) : undefined}
        >
          {(props) => (
            <input
              {...props}
              className="input"
              type="password"
              autoComplete="new-password"
              required
              maxLength={256}
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <div className="form-actions">
          <Button kind="primary" type="submit" disabled={set.isPending || !password}>
            {t("me.setPassword")}
          </Button>
        </div>
      </form>
    </section>
  );
}
