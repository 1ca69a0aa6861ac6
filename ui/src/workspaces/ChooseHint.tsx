import { useT } from "../i18n/messages";
import { useTitle } from "../shared/useTitle";

/** What stands beside the list while no workspace is chosen. */
export function ChooseHint() {
  const t = useT();
  useTitle(t("list.title"));
  return <p className="choose-hint">{t("list.choose")}</p>;
}
