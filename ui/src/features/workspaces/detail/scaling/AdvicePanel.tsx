import { useQuery } from "@tanstack/react-query";
import { reasonOf } from "../../../../api/mutations";
import { type Advice, adviceQuery, useApplyAdvice } from "../../../../api/scaling";
import { number, percent } from "../../../../shared/format";
import { addEnglish, type Translate, useT } from "../../../../shared/i18n/messages";
import { scaling } from "../../../../shared/i18n/scaling.en";
import { tell } from "../../../../shared/toasts";
import { Button } from "../../../../ui/Button";

addEnglish(scaling);

const HOURS_OF_A_MONTH = 730;
const MICROS = 1_000_000;

/** Which size fits what the workspace uses, why, and one button to have it. */
export function AdvicePanel({ workspaceId }: { workspaceId: string }) {
  const t = useT();
  const { data: advice, error } = useQuery(adviceQuery(workspaceId));
  const apply = useApplyAdvice(workspaceId);
  const problem = apply.error ?? error;
  return (
    <section className="panel" aria-labelledby="advice-title">
      <h3 id="advice-title">{t("advice.title")}</h3>
      {advice && (
        <>
          <p>{headline(advice, t)}</p>
          {advice.state === "change" && (
            <p className="muted">
              {sizeText("advice.now", advice.cpu.now, advice.memory.now, t)} {savingText(advice, t)}{" "}
              {t("advice.live")}
            </p>
          )}
          <ul className="muted">
            {advice.reasons.map((reason, index) => (
              <li key={reason.code}>{t.said(reason, advice.messages[index] ?? "")}</li>
            ))}
          </ul>
          {advice.state !== "too_early" && (
            <p className="muted">
              {t("advice.confidence", { share: percent(advice.confidence * 100, t.locale) })}
            </p>
          )}
        </>
      )}
      {problem && <p className="field-problem">{reasonOf(problem)}</p>}
      {advice?.state === "change" && (
        <div className="form-actions">
          <Button
            kind="primary"
            disabled={apply.isPending}
            onClick={() =>
              apply.mutate(advice.version, { onSuccess: () => tell("success", t("advice.applied")) })
            }
          >
            {t("advice.apply")}
          </Button>
        </div>
      )}
    </section>
  );
}

function headline(advice: Advice, t: Translate): string {
  if (advice.state === "too_early") return t("advice.tooEarly");
  if (advice.state === "fits") return t("advice.fits");
  return sizeText("advice.change", advice.cpu.advised, advice.memory.advised, t);
}

function sizeText(key: "advice.now" | "advice.change", cpu: number, memory: number, t: Translate): string {
  return t(key, { cores: t.count("meter.cores", cpu), memory: number(memory, t.locale) });
}

/** What following it saves a month, in the price book's currency; nothing where there are no prices. */
function savingText({ saving }: Advice, t: Translate): string {
  if (!saving) return "";
  const amount = number((Math.abs(saving) * HOURS_OF_A_MONTH) / MICROS, t.locale);
  return t(saving > 0 ? "advice.saving" : "advice.costs", { amount });
}
