import type { Metrics, WorkspaceDetail } from "../../../../api/types";
import { gigabytes, percent } from "../../../../shared/format";
import { useT } from "../../../../shared/i18n/messages";
import { Sparkline } from "../../../../ui/Sparkline";
import { type Sample, useFigures } from "../../figures";

const KINDS = [
  ["cpu", "cpu_usage"],
  ["memory", "memory_usage"],
  ["storage", "storage_usage"],
] as const satisfies readonly [string, keyof Metrics][];

/** What the workspace uses now and in the last minutes, each of its limit. */
export function Figures({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { now, past } = useFigures(detail.id, detail.status);
  const { cpu, memory, storage } = detail.config;
  const limits = {
    cpu: t.count("meter.cores", cpu),
    memory: gigabytes(memory, t.locale),
    storage: gigabytes(storage, t.locale),
  };
  return (
    <section className="panel figures" aria-label={t("detail.usage")}>
      {KINDS.map(([kind, field]) => (
        <Figure
          key={kind}
          label={t(`meter.${kind}`)}
          limit={limits[kind]}
          value={now?.[field] ?? null}
          values={past.map((sample: Sample) => sample.metrics?.[field] ?? null)}
        />
      ))}
    </section>
  );
}

interface FigureProps {
  label: string;
  limit: string;
  value: number | null;
  values: readonly (number | null)[];
}

function Figure({ label, limit, value, values }: FigureProps) {
  const t = useT();
  return (
    <figure>
      <figcaption className="muted">{label}</figcaption>
      <p>
        <strong>{value === null ? "–" : percent(value, t.locale)}</strong>{" "}
        <span className="muted">{t("detail.of", { limit })}</span>
      </p>
      <Sparkline values={values} label={t("detail.lately", { label })} />
    </figure>
  );
}
