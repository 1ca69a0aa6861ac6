import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { meQuery } from "../../api/people";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { people } from "../../shared/i18n/people.en";
import { useTitle } from "../../shared/useTitle";
import { buttonClass } from "../../ui/Button";
import { Appearance } from "./Appearance";
import { Failed } from "./Failed";
import { PasskeyList } from "./PasskeyList";
import { IdentityList } from "./IdentityList";
import { OpenIdProblem } from "./OpenIdProblem";
import { PasswordForm } from "./PasswordForm";
import { SessionList } from "./SessionList";
import { TokenList } from "./TokenList";

addEnglish(people);

/** What lets one in: tokens, signed-in browsers, passkeys, the password; and how the pages look. */
export function MeView() {
  const t = useT();
  const { data, error, refetch } = useQuery(meQuery);
  useTitle(t("me.title"));
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("me.title")}</h1>
        {data && <span className="muted">{data.user.handle}</span>}
        <Link to="/ssh-keys" className={buttonClass("plain", true)}>
          {t("sshKeys.title")}
        </Link>
        <Link to="/profile" className={buttonClass("plain", true)}>
          {t("profile.title")}
        </Link>
      </header>
      <OpenIdProblem />
      <TokenList />
      <SessionList />
      {error && !data && <Failed error={error} onRetry={() => void refetch()} />}
      {data && <PasskeyList hasPassword={data.user.has_password} />}
      <IdentityList />
      {data && <PasswordForm hasPassword={data.user.has_password} />}
      <Appearance />
    </div>
  );
}
