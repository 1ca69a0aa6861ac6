import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { reasonOf } from "../../api/mutations";
import { type Profile, profileQuery, repositoryOf, useSetDotfiles } from "../../api/secrets";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { tell } from "../../shared/toasts";
import { useTitle } from "../../shared/useTitle";
import { Field } from "../../ui/Field";
import { SecretsPanel } from "./SecretsPanel";

addEnglish(more);

/** What belongs to a person and not to one workspace: their secrets, their dotfiles. */
export function ProfileView() {
  const t = useT();
  const { data } = useQuery(profileQuery);
  useTitle(t("profile.title"));
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("profile.title")}</h1>
      </header>
      <div className="panels">
        <SecretsPanel workspaceId={null} />
        {data && <DotfilesForm profile={data} />}
      </div>
    </div>
  );
}

function DotfilesForm({ profile: { dotfiles } }: { profile: Profile }) {
  const t = useT();
  const stored = dotfiles ? (dotfiles.ref ? `${dotfiles.url}#${dotfiles.ref}` : dotfiles.url) : "";
  const [typed, setTyped] = useState<string | null>(null);
  const set = useSetDotfiles();
  const text = typed ?? stored;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    set.mutate(repositoryOf(text), {
      onSuccess: () => {
        setTyped(null);
        tell("success", t("profile.saved"));
      },
    });
  };
  return (
    <form className="panel" onSubmit={submit} noValidate>
      <h2>{t("profile.dotfiles")}</h2>
      <Field
        label={t("profile.url")}
        hint={t("profile.dotfilesHint")}
        problem={set.error ? reasonOf(set.error) : undefined}
      >
        {(input) => (
          <input
            {...input}
            autoComplete="off"
            spellCheck={false}
            value={text}
            onChange={(event) => {
              set.reset();
              setTyped(event.target.value);
            }}
          />
        )}
      </Field>
      <div className="form-actions">
        <button type="submit" className="button button-primary" disabled={text === stored || set.isPending}>
          {t("app.save")}
        </button>
      </div>
    </form>
  );
}
