import { useMutation, useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";
import { reasonOf } from "../../api/mutations";
import { ask, type DeviceLogin } from "../../api/people";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { people } from "../../shared/i18n/people.en";
import { useTitle } from "../../shared/useTitle";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { takeFocus } from "../../ui/focus";
import { scopesText } from "./TokenList";

addEnglish(people);

/** Confirms a program that shows a code: `nixws login`. */
export function DeviceView() {
  const t = useT();
  const { code = "" } = useSearch({ strict: false });
  const [typed, setTyped] = useState(code);
  const [looked, setLooked] = useState(code);
  useTitle(t("device.title"));
  const found = useQuery({
    queryKey: ["device", looked],
    queryFn: ({ signal: _ }) => ask<DeviceLogin>("GET", ["device", looked]),
    enabled: looked !== "",
    retry: false,
    gcTime: 0,
  });
  const answer = useMutation({
    mutationFn: (approve: boolean) => ask("POST", ["device", looked], { approve }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setLooked(typed.trim());
  };
  if (answer.isSuccess) {
    return (
      <div className="page">
        <header className="page-head">
          <h1>{t("device.title")}</h1>
        </header>
        {/* The form that had the focus is gone. */}
        <p role="status" tabIndex={-1} ref={takeFocus}>
          {t(answer.variables ? "device.approved" : "device.refused")}
        </p>
      </div>
    );
  }
  const problem = found.error ?? answer.error;
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("device.title")}</h1>
      </header>
      <form className="card pad narrow" onSubmit={submit}>
        <Field
          label={t("device.code")}
          hint={t("device.hint")}
          problem={problem ? reasonOf(problem) : undefined}
        >
          {(props) => (
            <input
              {...props}
              className="input"
              autoComplete="off"
              spellCheck={false}
              maxLength={32}
              required
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
            />
          )}
        </Field>
        <div className="form-actions">
          <Button
            type="submit"
            kind={found.data ? "plain" : "primary"}
            disabled={!typed.trim() || found.isFetching}
          >
            {t("device.look")}
          </Button>
        </div>
      </form>
      {found.data && (
        <section className="card pad narrow" aria-label={found.data.name}>
          <p>{t("device.asks", { name: found.data.name, address: found.data.address })}</p>
          <p>{t("device.may", { scopes: scopesText(t, found.data.scopes) })}</p>
          <p className="muted">{t("device.warning")}</p>
          <div className="form-actions">
            <Button onClick={() => answer.mutate(false)} disabled={answer.isPending}>
              {t("device.refuse")}
            </Button>
            <Button kind="primary" onClick={() => answer.mutate(true)} disabled={answer.isPending}>
              {t("device.approve")}
            </Button>
          </div>
        </section>
      )}
    </div>
  );
}
