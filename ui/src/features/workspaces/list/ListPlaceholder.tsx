import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { memo } from "react";
import { workspacesQuery } from "../../../api/queries";
import { useT } from "../../../shared/i18n/messages";
import { Button, buttonClass } from "../../../ui/Button";
import { EmptyState } from "../../../ui/EmptyState";
import { Skeleton } from "../../../ui/Skeleton";

interface ListPlaceholderProps {
  loading: boolean;
  error: string | null;
  total: number;
  shown: number;
}

/** What stands where no row stands, each with what to do next. */
export const ListPlaceholder = memo(function ListPlaceholder(props: ListPlaceholderProps) {
  const { loading, error, total, shown } = props;
  const t = useT();
  const client = useQueryClient();
  if (error && total === 0) {
    return (
      <EmptyState title={t("list.failed")} isAlert>
        <p>{error}</p>
        <Button onClick={() => void client.invalidateQueries({ queryKey: workspacesQuery.queryKey })}>
          {t("app.retry")}
        </Button>
      </EmptyState>
    );
  }
  if (loading) return <Skeleton lines={8} label={t("app.loading")} />;
  if (shown > 0 || total === 0) return null;
  return (
    <EmptyState title={t("list.noMatch")}>
      <Link to="." search={({ sort }) => ({ ...(sort && { sort }) })} className={buttonClass()}>
        {t("list.clear")}
      </Link>
    </EmptyState>
  );
});
