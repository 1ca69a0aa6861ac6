import { reasonOf } from "../../api/mutations";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";

/** Stands where a list would be that could not be read. */
export function Failed({ error, onRetry }: { error: Error; onRetry: () => void }) {
  const t = useT();
  return (
    <EmptyState title={t("me.failed")} isAlert>
      <p>{reasonOf(error)}</p>
      <Button onClick={onRetry}>{t("app.retry")}</Button>
    </EmptyState>
  );
}
