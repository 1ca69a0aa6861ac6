import { useT } from "../../../shared/i18n/messages";
import { useTitle } from "../../../shared/useTitle";

/** Names the page while no workspace is chosen; the list itself is around it. */
export function ListTitle() {
  const t = useT();
  useTitle(t("list.title"));
  return null;
}
