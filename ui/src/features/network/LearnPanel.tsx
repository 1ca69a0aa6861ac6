import { reasonOf } from "../../api/mutations";
import { fastClock, useNow } from "../../shared/clock";
import { duration } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { Button } from "../../ui/Button";
import { type Network, useLearning } from "./api";

const LENGTHS = ["10m", "1h"] as const;

interface LearnPanelProps {
  id: string;
  network: Network;
  isRunning: boolean;
}

/** Lets everything out for a while, to propose what was reached; the time that is left, and two ways to end it. */
export function LearnPanel({ id, network, isRunning }: LearnPanelProps) {
  const t = useT();
  const learning = useLearning(id);
  const { learning: lesson, floor } = network;
  const reason = !isRunning
    ? t("network.learnStopped")
    : floor.mode === "open"
      ? undefined
      : t("network.beyond");
  return (
    <section className="panel">
      <h3>{t("network.learn")}</h3>
      {lesson ? (
        <>
          <Remaining until={lesson.until} />
          <div className="form-actions">
            <Button kind="primary" disabled={learning.isPending} onClick={() => learning.mutate("finish")}>
              {t("network.finish")}
            </Button>
            <Button disabled={learning.isPending} onClick={() => learning.mutate("cancel")}>
              {t("network.cancel")}
            </Button>
          </div>
        </>
      ) : (
        <>
          <p className="muted">{t("network.learnHint")}</p>
          <div className="form-actions">
            {LENGTHS.map((length) => (
              <Button
                key={length}
                reason={reason}
                disabled={learning.isPending}
                onClick={() => learning.mutate({ begin: length })}
              >
                {t(`network.learn.${length}`)}
              </Button>
            ))}
          </div>
        </>
      )}
      {learning.error && <p className="field-problem">{reasonOf(learning.error)}</p>}
    </section>
  );
}

function Remaining({ until }: { until: string }) {
  const t = useT();
  const now = useNow(fastClock);
  // Whole seconds: tenths would make the text move four times a second.
  const left = Math.max(0, Math.ceil((Date.parse(until) - now) / 1000)) * 1000;
  return (
    <p className="network-learning" role="timer">
      {t("network.learning", { time: duration(left, t.locale) })}
    </p>
  );
}
