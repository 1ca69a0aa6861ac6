import { useSession } from "../../../api/abilities";
import { useT } from "../../../shared/i18n/messages";

/** The list's place for those who make no workspace, while they see none. */
export function NothingShared() {
  const t = useT();
  const isGuest = useSession()?.role === "guest";
  return (
    <section className="first-run" aria-labelledby="first-run-title">
      <h1 id="first-run-title">{t(isGuest ? "first.shared" : "first.none")}</h1>
      <p className="first-run-lead muted">{t(isGuest ? "first.sharedLead" : "first.noneLead")}</p>
    </section>
  );
}
