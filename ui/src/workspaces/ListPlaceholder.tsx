import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { workspacesQuery } from "../api/queries";
import { useT } from "../i18n/messages";

interface ListPlaceholderProps {
  loading: boolean;
  error: string | null;
  total: number;
  shown: number;
}

/** What stands where no row stands, each with what to do next. */
export function ListPlaceholder({ loading, error, total, shown }: ListPlaceholderProps) {
  const t = useT();
  const client = useQueryClient();
  if (error && total === 0) {
    return (
      <div className="placeholder" role="alert">
        <p>
          <strong>{t("list.failed")}</strong>
        </p>
        <p>{error}</p>
        <button
          type="button"
          className="button"
          onClick={() => void client.invalidateQueries({ queryKey: workspacesQuery.queryKey })}
        >
          {t("app.retry")}
        </button>
      </div>
    );
  }
  if (loading) return <p className="placeholder muted">{t("app.loading")}</p>;
  if (total === 0) {
    return (
      <div className="placeholder">
        <p>
          <strong>{t("list.empty")}</strong>
        </p>
        <p>{t("list.emptyHint")}</p>
        <Link to="." search={{ new: true as const }} className="button button-primary">
          {t("list.create")}
        </Link>
      </div>
    );
  }
  if (shown === 0) {
    return (
      <div className="placeholder" role="status">
        <p>{t("list.noMatch")}</p>
        <Link to="." search={{}} className="button">
          {t("list.clear")}
        </Link>
      </div>
    );
  }
  return null;
}
