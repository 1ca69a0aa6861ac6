import { Compass } from "lucide-react";
import { buttonClass } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Link, useRouter, type ErrorComponentProps } from "@tanstack/react-router";
import { reasonOf } from "../api/mutations";
import { useT } from "../shared/i18n/messages";

export function NotFound() {
  const t = useT();
  return (
    <main className="lone-page">
      <h1>{t("app.notFound")}</h1>
      <Link to="/workspaces">{t("app.toList")}</Link>
    </main>
  );
}

/** As `NotFound`, within the page: what is around it stays. */
export function ViewNotFound() {
  const t = useT();
  return (
    <EmptyState title={t("app.notFound")} icon={Compass} isAlert>
      <Link to="/workspaces" className={buttonClass()}>
        {t("app.toList")}
      </Link>
    </EmptyState>
  );
}

/** Whatever a view threw: a lost connection, a chunk of an older build, a fault of ours. */
export function LoadFailed({ error, reset }: ErrorComponentProps) {
  const t = useT();
  const router = useRouter();
  const again = () => {
    reset();
    void router.invalidate();
  };
  return (
    <div className="lone-page" role="alert">
      <h1>{t("app.loadFailed")}</h1>
      <p>{reasonOf(error)}</p>
      <button type="button" className="button" onClick={again}>
        {t("app.retry")}
      </button>
    </div>
  );
}
