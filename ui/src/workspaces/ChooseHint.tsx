import { useT } from "../i18n/messages";
import { Logo } from "../shared/Logo";
import { useTitle } from "../shared/useTitle";

/** What stands beside the list while no workspace is chosen. */
export function ChooseHint() {
  const t = useT();
  useTitle(t("list.title"));
  return (
    <div className="choose-hint">
      <Logo />
      <p>{t("list.choose")}</p>
    </div>
  );
}
