import { useQuery } from "@tanstack/react-query";
import { memo } from "react";
import { capacityQuery } from "../../../api/queries";
import type { Workspace } from "../../../api/types";
import { gigabytes, number } from "../../../shared/format";
import { useT } from "../../../shared/i18n/messages";

const LOOK_MS = 30_000;

/** What the machine has, and what is left of it. Cores are shared: promises say nothing of whether any is left. */
export const CapacityFoot = memo(function CapacityFoot({ workspaces }: { workspaces: readonly Workspace[] }) {
  const t = useT();
  const { data } = useQuery({ ...capacityQuery, refetchInterval: LOOK_MS });
  const running = workspaces.filter((one) => one.status === "running").length;
  return (
    <footer className="list-foot" role="group" aria-label={t("capacity.title")}>
      {data && (
        <>
          <span>
            {t("capacity.machine")} <b>{t.count("meter.cores", data.cpu_total)}</b>{" "}
            {t.count("capacity.sharedBy", running)}
          </span>
          <span>
            <b>
              {t("capacity.of", {
                free: number(data.memory_free, t.locale, 1),
                total: gigabytes(data.memory_total, t.locale, 1),
              })}
            </b>{" "}
            {t("capacity.memoryFree")}
          </span>
          <span>
            <b>{gigabytes(data.storage_free, t.locale, 1)}</b> {t("capacity.storageFree")}
          </span>
        </>
      )}
    </footer>
  );
});
