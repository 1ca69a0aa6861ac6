import { memo } from "react";
import type { Metrics, Workspace } from "../../../api/types";
import { gigabytes, number, percent } from "../../../shared/format";
import { useT } from "../../../shared/i18n/messages";

const HOT = 80;

interface UseBarProps {
  kind: "cpu" | "memory" | "storage";
  /** null where nothing is known, or it does not run. */
  usage: Metrics | null;
  workspace: Pick<Workspace, "status" | "memory" | "storage" | "cpu">;
}

/** How much of its limit a workspace uses: a bar and a figure. Storage is a figure alone, as it hardly moves. */
export function UseBar({ kind, usage, workspace }: UseBarProps) {
  return <Use kind={kind} value={usage?.[`${kind}_usage`] ?? null} limit={workspace[kind]} />;
}

interface UseProps {
  kind: "cpu" | "memory" | "storage";
  value: number | null;
  limit: number;
}

const Use = memo(function Use({ kind, value, limit }: UseProps) {
  const t = useT();
  if (kind === "cpu") {
    if (value === null) return null;
    const text = percent(value, t.locale);
    const title = t("list.cpuOf", { share: text, cores: t.count("meter.cores", limit) });
    return <Bar label={t("meter.cpu")} value={value} text={text} title={title} />;
  }
  // In the unit of the limit: of half a gigabyte, 15 MB are not nothing.
  const [unit, digits] = limit < 1 ? [1024, 0] : [1, 1];
  const used = value === null ? "–" : number((value / 100) * limit * unit, t.locale, digits);
  const text = `${used} / ${gigabytes(limit, t.locale)}`;
  if (kind === "storage") return <span className="cell-note">{text}</span>;
  return <Bar label={t(`meter.${kind}`)} value={value} text={text} />;
});

interface BarProps {
  label: string;
  value: number | null;
  text: string;
  title?: string;
}

function Bar({ label, value, text, title }: BarProps) {
  return (
    <span className="use-bar" title={title}>
      <span
        className="use-bar-track"
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(value ?? 0)}
        aria-valuetext={text}
        data-hot={(value ?? 0) > HOT}
      >
        <span style={{ inlineSize: `${Math.min(100, Math.max(0, value ?? 0))}%` }} />
      </span>
      <span className="cell-note" aria-hidden>
        {text}
      </span>
    </span>
  );
}
