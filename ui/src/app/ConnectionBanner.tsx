import { connection, isAnswered } from "../shared/connection";
import { useT } from "../shared/i18n/messages";
import { useStore } from "../shared/Store";

/** Says that nothing is told any more, and whether the service answers at least. */
export function ConnectionBanner() {
  const t = useT();
  const state = useStore(connection);
  const isLookedUp = useStore(isAnswered);
  if (state !== "waiting") return null;
  return (
    <p className="banner banner-warning" role="status">
      {t(isLookedUp ? "app.cutOff" : "app.offline")}
    </p>
  );
}
