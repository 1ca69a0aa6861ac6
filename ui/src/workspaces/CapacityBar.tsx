import { useQuery } from "@tanstack/react-query";
import { capacityQuery } from "../api/queries";
import { useT } from "../i18n/messages";
import { gigabytes, number } from "../shared/format";
import { Meter } from "./Meter";

const LOOK_MS = 30_000;

const usedOf = (total: number, free: number): number => (total > 0 ? ((total - free) / total) * 100 : 0);

/** What the machine has promised to running workspaces, and what is left of it. */
export function CapacityBar() {
  const t = useT();
  const { data } = useQuery({ ...capacityQuery, refetchInterval: LOOK_MS });
  if (!data) return null;
  const free = (amount: string) => t("capacity.free", { amount });
  return (
    <div className="capacity-bar" role="group" aria-label={t("capacity.title")}>
      <Meter
        label={t("meter.cpu")}
        value={usedOf(data.cpu_total, data.cpu_free)}
        text={free(number(data.cpu_free, t.locale))}
      />
      <Meter
        label={t("meter.memory")}
        value={usedOf(data.memory_total, data.memory_free)}
        text={free(gigabytes(data.memory_free, t.locale, 1))}
      />
      <Meter
        label={t("meter.storage")}
        value={usedOf(data.storage_total, data.storage_free)}
        text={free(gigabytes(data.storage_free, t.locale, 1))}
      />
    </div>
  );
}
