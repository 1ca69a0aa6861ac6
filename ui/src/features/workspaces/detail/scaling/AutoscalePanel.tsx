import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { reasonOf } from "../../../../api/mutations";
import {
  type Autoscale,
  autoscaleQuery,
  type ScalingDecision,
  useBoost,
  useChangeAutoscale,
} from "../../../../api/scaling";
import type { WorkspaceDetail } from "../../../../api/types";
import { dateTime, duration, gigabytes, number } from "../../../../shared/format";
import { addEnglish, type Translate, useT } from "../../../../shared/i18n/messages";
import { scaling } from "../../../../shared/i18n/scaling.en";
import { Button } from "../../../../ui/Button";
import { Field } from "../../../../ui/Field";
import { type Column, Table } from "../../../../ui/Table";

addEnglish(scaling);

const FIELDS = ["cpuMin", "cpuMax", "memoryMin", "memoryMax", "downAfter"] as const;
type Form = Record<(typeof FIELDS)[number], string>;
const MINUTE = 60;
const GB = 2 ** 30;
const SHOWN = 10;

/** Between which sizes a workspace changes by itself, a boost, and what was decided with what was seen. */
export function AutoscalePanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const { data, error } = useQuery(autoscaleQuery(detail.id));
  return (
    <section className="panel" aria-labelledby="scaling-title">
      <h3 id="scaling-title">{t("scaling.title")}</h3>
      <p className="muted">{t("scaling.hint")}</p>
      {error && <p className="field-problem">{reasonOf(error)}</p>}
      {data && (
        <>
          <p>
            {t("scaling.now", {
              cores: t.count("meter.cores", data.size.cpu),
              memory: number(data.size.memory, t.locale),
            })}
          </p>
          <BoundsForm detail={detail} current={data} />
          <Boost detail={detail} current={data} />
          <Decisions decisions={data.decisions} />
        </>
      )}
    </section>
  );
}

const formOf = ({ policy, chosen }: Autoscale): Form => ({
  cpuMin: String(policy?.cpu.min ?? chosen.cpu),
  cpuMax: String(policy?.cpu.max ?? chosen.cpu * 2),
  memoryMin: String(policy?.memory.min ?? chosen.memory),
  memoryMax: String(policy?.memory.max ?? chosen.memory * 2),
  downAfter: String(policy ? policy.down_after / MINUTE : 10),
});

function BoundsForm({ detail, current }: { detail: WorkspaceDetail; current: Autoscale }) {
  const t = useT();
  const change = useChangeAutoscale(detail.id);
  const [draft, setDraft] = useState<Form | null>(null);
  const form = draft ?? formOf(current);
  const [cpuMin, cpuMax, memoryMin, memoryMax, minutes] = FIELDS.map((field) => Number(form[field])) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const isRight = cpuMin > 0 && cpuMin <= cpuMax && memoryMin > 0 && memoryMin <= memoryMax && minutes > 0;
  const onSuccess = () => setDraft(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isRight) return;
    const wish = {
      cpu: { min: cpuMin, max: cpuMax },
      memory: { min: memoryMin, max: memoryMax },
      down_after: `${Math.round(minutes * MINUTE)}s`,
    };
    change.mutate(wish, { onSuccess });
  };
  return (
    <form onSubmit={submit} noValidate>
      <div className="sizes sizes-bounds">
        {FIELDS.map((field) => (
          <Field key={field} label={t(`scaling.${field}`)}>
            {(input) => (
              <input
                {...input}
                inputMode="decimal"
                value={form[field]}
                onChange={(event) => {
                  change.reset();
                  setDraft({ ...form, [field]: event.target.value.replace(",", ".") });
                }}
              />
            )}
          </Field>
        ))}
      </div>
      {current.down_within !== null && (
        <p className="muted">
          {t("scaling.within", { time: duration(current.down_within * 1000, t.locale) })}
        </p>
      )}
      {!isRight && <p className="field-problem">{t("scaling.wrong")}</p>}
      {change.error && <p className="field-problem">{reasonOf(change.error)}</p>}
      <div className="form-actions">
        {current.policy && (
          <Button disabled={change.isPending} onClick={() => change.mutate(null, { onSuccess })}>
            {t("scaling.off")}
          </Button>
        )}
        <Button type="submit" kind="primary" disabled={!isRight || change.isPending}>
          {t(current.policy ? "scaling.change" : "scaling.on")}
        </Button>
      </div>
    </form>
  );
}

function Boost({ detail, current }: { detail: WorkspaceDetail; current: Autoscale }) {
  const t = useT();
  const boost = useBoost(detail.id);
  const wish = { cpu: current.chosen.cpu * 2, memory: current.chosen.memory * 2, for: "1h" };
  return (
    <>
      <p className="muted">
        {current.boost
          ? t("scaling.boosted", { time: dateTime(current.boost.until, t.locale) })
          : t("scaling.boostHint")}
      </p>
      {boost.error && <p className="field-problem">{reasonOf(boost.error)}</p>}
      <div className="form-actions">
        <Button
          disabled={boost.isPending || (!current.boost && detail.status !== "running")}
          onClick={() => boost.mutate(current.boost ? null : wish)}
        >
          {t(current.boost ? "scaling.endBoost" : "scaling.boost")}
        </Button>
      </div>
    </>
  );
}

function Decisions({ decisions }: { decisions: readonly ScalingDecision[] }) {
  const t = useT();
  if (decisions.length === 0) return <p className="muted">{t("scaling.none")}</p>;
  return (
    <Table
      label={t("scaling.decisions")}
      columns={columnsOf(t)}
      rows={decisions.slice(0, SHOWN)}
      keyOf={(one) => `${one.at} ${one.kind} ${one.reason.code}`}
    />
  );
}

const columnsOf = (t: Translate): Column<ScalingDecision>[] => [
  { key: "at", head: t("scaling.when"), cell: (one) => dateTime(one.at, t.locale), isWhole: true },
  {
    key: "what",
    head: t("scaling.what"),
    cell: (one) => `${t(`scaling.kind.${one.kind}`)}: ${stepText(one, t)}`,
  },
  { key: "why", head: t("scaling.why"), cell: (one) => t.said(one.reason, one.message) },
  { key: "seen", head: t("scaling.seen"), cell: (one) => evidenceText(one, t) },
];

const stepText = ({ after }: ScalingDecision, t: Translate): string =>
  t("scaling.step", { cores: t.count("meter.cores", after.cpu), memory: number(after.memory, t.locale) });

const evidenceText = ({ evidence }: ScalingDecision, t: Translate): string =>
  t("scaling.evidence", {
    cpu: number(evidence.cpu ?? 0, t.locale),
    memory: gigabytes((evidence.memory_bytes ?? 0) / GB, t.locale),
  });
