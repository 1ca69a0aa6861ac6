import { type Translate, useT } from "../../shared/i18n/messages";
import { openid } from "../../shared/i18n/openid.en";

/** What a code behind the # of this page's address means; nothing without one. */
function meaning(t: Translate): string {
  const code = location.hash.slice(1);
  if (!/^[a-z_]{1,40}$/.test(code)) return "";
  return t.problem({ code, message: openid[code] ?? t("signin.failed", { code }) });
}

/** Why the browser came back from an OpenID provider without what it went there for. */
export function OpenIdProblem() {
  const problem = meaning(useT());
  return problem ? (
    <p className="field-problem" role="alert">
      {problem}
    </p>
  ) : null;
}
