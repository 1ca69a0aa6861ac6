import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { estimateQuery } from "../../../api/costs";
import { useT } from "../../../shared/i18n/messages";
import { money } from "../../../shared/money";

interface Sizes {
  cpu: number;
  memory: number;
  storage: number;
}

/** The costs of a workspace of these sizes; nothing where there are no prices. */
export function EstimatedCost({ cpu, memory, storage }: Sizes) {
  const t = useT();
  const { data } = useQuery({
    ...estimateQuery(cpu, memory, storage),
    enabled: cpu > 0 && memory > 0 && storage > 0,
    placeholderData: keepPreviousData,
  });
  const found = data?.estimate;
  if (!found?.currency) return null;
  const written = (amount: string) => money(amount, found.currency, t.locale);
  return (
    <p className="muted">
      {t("create.estimate", {
        idle: written(found.hour_idle),
        busy: written(found.hour_busy),
        stopped: written(found.month_stopped),
      })}
    </p>
  );
}
