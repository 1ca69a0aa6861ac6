import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { ApiError } from "../api/client";
import { reasonOf, signIn, signInWithPassword } from "../api/mutations";
import { signInMethodsQuery } from "../api/signIn";
import { OpenIdProblem } from "../features/people/OpenIdProblem";
import { addEnglish, useT } from "../shared/i18n/messages";
import { people } from "../shared/i18n/people.en";
import { buttonClass } from "../ui/Button";
import { Field } from "../ui/Field";
import { Logo } from "../ui/Logo";
import { useTitle } from "../shared/useTitle";
import { PasskeySignIn } from "./PasskeySignIn";

// The other way in: fetched together, as both are of people who are not signed in.
export { JoinView } from "../features/sharing/JoinView";

addEnglish(people);

/** Where a browser offers passkeys in a field, it does so in this one (WebAuthn, section 5.1.4). */
const HANDLE_OR_PASSKEY = "username webauthn";

/** Signing in with handle and password, a login code, a whole login link, or an API token; nothing stays in the page. */
export function SignInView() {
  const t = useT();
  useTitle(t("signin.title"));
  const { from, reason } = useSearch({ from: "/sign-in" });
  const client = useQueryClient();
  const router = useRouter();
  const [handle, setHandle] = useState("");
  const [credential, setCredential] = useState("");
  const [byPassword, setByPassword] = useState(false);
  const [problem, setProblem] = useState(reason ? t("signin.expired") : "");
  const enter = async () => {
    client.clear();
    await router.navigate({ href: from ?? "/workspaces", replace: true });
  };
  const provider = useQuery(signInMethodsQuery).data?.openid;
  const attempt = useMutation({
    mutationFn: (given: string) => (byPassword ? signInWithPassword(handle.trim(), given) : signIn(given)),
    // Nothing keeps what was typed.
    gcTime: 0,
    onSuccess: enter,
    onError: (failure) => {
      const refused = failure instanceof ApiError && failure.status >= 400 && failure.status < 500;
      const isLimited = failure instanceof ApiError && failure.status === 429;
      if (!refused || isLimited) setProblem(reasonOf(failure));
      else setProblem(t(byPassword ? "signin.wrong" : "signin.refused"));
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = byPassword ? credential : credential.trim();
    if (!given) setProblem(t(byPassword ? "signin.wrong" : "signin.empty"));
    else attempt.mutate(given);
  };
  return (
    <main className="lone-page sign-in">
      <p className="brand">
        <Logo />
        {t("app.name")}
      </p>
      <h1>{t("signin.title")}</h1>
      <OpenIdProblem />
      {provider && (
        <a className={buttonClass()} href={`${provider.url}?to=${encodeURIComponent(from ?? "/workspaces")}`}>
          {t("signin.with", { name: provider.name })}
        </a>
      )}
      <p>{t("signin.hint")}</p>
      <form onSubmit={submit} noValidate>
        {byPassword && (
          <Field label={t("signin.handle")}>
            {(props) => (
              <input
                {...props}
                autoComplete={HANDLE_OR_PASSKEY}
                spellCheck={false}
                autoCapitalize="none"
                value={handle}
                onChange={(event) => setHandle(event.target.value)}
              />
            )}
          </Field>
        )}
        <Field label={t(byPassword ? "signin.password" : "signin.field")} problem={problem}>
          {(props) => (
            <input
              {...props}
              type="password"
              autoComplete={byPassword ? "current-password" : "off"}
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
      <button
        type="button"
        className="button"
        onClick={() => {
          setByPassword(!byPassword);
          setCredential("");
          setProblem("");
        }}
      >
        {t(byPassword ? "signin.byCode" : "signin.by")}
      </button>
      <PasskeySignIn onSignedIn={enter} />
      <p className="muted">
        {t("signin.new", { command: "" })}
        <code>nixws login-link</code>
      </p>
    </main>
  );
}
