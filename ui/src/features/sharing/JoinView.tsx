import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, type SubmitEvent, useEffect, useState } from "react";
import { reasonOf } from "../../api/mutations";
import { sessionQuery } from "../../api/queries";
import { join } from "../../api/shares";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { joining as texts } from "../../shared/i18n/joining.en";
import { useTitle } from "../../shared/useTitle";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { takeFocus } from "../../ui/focus";
import { Logo } from "../../ui/Logo";

addEnglish(texts);

const ASK_MS = 2_000;

/** Takes what a link shares, whose secret is behind # in the address; who is not signed in comes as a guest. */
export function JoinView() {
  const t = useT();
  const navigate = useNavigate();
  const client = useQueryClient();
  useTitle(t("join.title"));
  const [secret] = useState(() => location.hash.slice(1));
  const [name, setName] = useState("");
  const { data: session } = useQuery({ ...sessionQuery, retry: false });
  const joining = useMutation({ mutationFn: (as: string | null) => join(secret, as) });
  const { data: joined, error, mutate, isPending } = joining;
  useEffect(() => {
    if (!joined) return;
    if (joined.state === "waiting") {
      const timer = setTimeout(() => mutate(null), ASK_MS);
      return () => clearTimeout(timer);
    }
    const to = joined.part.startsWith("terminal:")
      ? "/workspaces/$workspaceId/terminal"
      : "/workspaces/$workspaceId";
    // Nobody was signed in, or somebody to whom this was not shared.
    client.clear();
    void navigate({ to, params: { workspaceId: joined.workspace_id }, replace: true });
    return undefined;
  }, [client, joined, mutate, navigate]);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    mutate(session ? null : name.trim());
  };
  if (!secret) return <Page text={t("join.noLink")} />;
  if (joined?.state === "waiting") return <Page text={t("join.waits")} />;
  return (
    <Frame>
      <form onSubmit={submit}>
        <p>{t("join.asks")}</p>
        {!session && (
          <Field label={t("join.name")} hint={t("join.nameHint")}>
            {(props) => (
              <input
                {...props}
                autoComplete="off"
                maxLength={40}
                required
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
        )}
        {error && (
          <p className="field-problem" role="alert">
            {reasonOf(error)}
          </p>
        )}
        <Button kind="primary" type="submit" disabled={isPending || (!session && !name.trim())}>
          {t("join.do")}
        </Button>
      </form>
    </Frame>
  );
}

function Page({ text }: { text: string }) {
  return (
    <Frame>
      {/* The form that had the focus is gone. */}
      <p role="status" tabIndex={-1} ref={takeFocus}>
        {text}
      </p>
    </Frame>
  );
}

/** Nobody has to be signed in here: it looks as signing in does. */
function Frame({ children }: { children: ReactNode }) {
  const t = useT();
  return (
    <main className="lone-page sign-in" id="content">
      <p className="brand">
        <Logo />
        {t("app.name")}
      </p>
      <h1>{t("join.title")}</h1>
      {children}
    </main>
  );
}
