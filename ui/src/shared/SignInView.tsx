import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { ApiError } from "../api/client";
import { reasonOf, signIn } from "../api/mutations";
import { useT } from "../i18n/messages";
import { Field } from "./Field";
import { Logo } from "./Logo";
import { useTitle } from "./useTitle";

/** Signing in with a login code, a whole login link, or an API token; nothing of it stays in the page. */
export function SignInView() {
  const t = useT();
  useTitle(t("signin.title"));
  const { from, reason } = useSearch({ from: "/sign-in" });
  const client = useQueryClient();
  const router = useRouter();
  const [credential, setCredential] = useState("");
  const [problem, setProblem] = useState(reason ? t("signin.expired") : "");
  const attempt = useMutation({
    mutationFn: signIn,
    onSuccess: async () => {
      client.clear();
      await router.navigate({ href: from ?? "/workspaces", replace: true });
    },
    onError: (failure) => {
      const refused = failure instanceof ApiError && failure.status >= 400 && failure.status < 500;
      setProblem(refused ? t("signin.refused") : reasonOf(failure));
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = credential.trim();
    if (!given) setProblem(t("signin.empty"));
    else attempt.mutate(given);
  };
  return (
    <main className="lone-page sign-in">
      <p className="brand">
        <Logo />
        {t("app.name")}
      </p>
      <h1>{t("signin.title")}</h1>
      <p>{t("signin.hint")}</p>
      <form onSubmit={submit} noValidate>
        <Field label={t("signin.field")} problem={problem}>
          {(props) => (
            <input
              {...props}
              type="password"
              autoComplete="off"
              spellCheck={false}
              value={credential}
              onChange={(event) => {
                setCredential(event.target.value);
                setProblem("");
              }}
            />
          )}
        </Field>
        <button type="submit" className="button button-primary" disabled={attempt.isPending}>
          {t("signin.submit")}
        </button>
      </form>
      <p className="muted">
        {t("signin.new", { command: "" })}
        <code>nixws login-link</code>
      </p>
    </main>
  );
}
