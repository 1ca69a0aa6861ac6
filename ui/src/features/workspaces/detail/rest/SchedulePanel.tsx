import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { reasonOf } from "../../../../api/mutations";
import { dateTime } from "../../../../shared/format";
import { useT } from "../../../../shared/i18n/messages";
import { tell } from "../../../../shared/toasts";
import { Field } from "../../../../ui/Field";
import { IconButton } from "../../../../ui/IconButton";
import { ownZone, type Run, scheduleQuery, useSchedule } from "./api";

const ACTIONS = ["start", "stop"] as const;
const SHOWN_RUNS = 3;

interface SchedulePanelProps {
  id: string;
}

/** The lines of a workspace's schedule, by the clock of the one who adds them, and its next runs. */
export function SchedulePanel({ id }: SchedulePanelProps) {
  const t = useT();
  const { data: schedule } = useQuery(scheduleQuery(id));
  const change = useSchedule(id);
  const [action, setAction] = useState<Run["action"]>("stop");
  const [cron, setCron] = useState("");
  const zone = ownZone;
  if (!schedule) return null;
  const { runs } = schedule;
  const put = (wanted: readonly Run[], onSuccess?: () => void) =>
    change.mutate(wanted, {
      onSuccess: () => {
        onSuccess?.();
        tell("success", t("schedule.saved"));
      },
    });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (cron.trim()) put([...runs, { action, cron: cron.trim(), zone }], () => setCron(""));
  };
  const shown = schedule.next
    .slice(0, SHOWN_RUNS)
    .map((one) => `${dateTime(one.at, t.locale)} ${t(`schedule.action.${one.action}`)}`)
    .join(", ");
  return (
    <form className="panel" onSubmit={submit} noValidate>
      <h3>{t("schedule.title")}</h3>
      <p className="muted">{t("schedule.hint", { zone })}</p>
      {runs.length === 0 && <p className="muted">{t("schedule.none")}</p>}
      <ul>
        {runs.map((run, index) => (
          <li key={`${run.action} ${run.cron} ${run.zone}`}>
            {t(`schedule.action.${run.action}`)} <code>{run.cron}</code> {run.zone}{" "}
            <IconButton
              icon={X}
              label={t("schedule.remove", { action: t(`schedule.action.${run.action}`), cron: run.cron })}
              disabled={change.isPending}
              onClick={() => put(runs.toSpliced(index, 1))}
            />
          </li>
        ))}
      </ul>
      {shown && <p className="muted">{t("schedule.next", { runs: shown })}</p>}
      <div className="sizes sizes-two">
        <Field label={t("schedule.action")}>
          {(field) => (
            <select
              {...field}
              value={action}
              onChange={(event) => setAction(event.target.value as Run["action"])}
            >
              {ACTIONS.map((one) => (
                <option key={one} value={one}>
                  {t(`schedule.action.${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field
          label={t("schedule.cron")}
          hint={t("schedule.cronHint")}
          problem={change.error ? reasonOf(change.error) : undefined}
        >
          {(field) => (
            <input
              {...field}
              spellCheck={false}
              value={cron}
              onChange={(event) => {
                change.reset();
                setCron(event.target.value);
              }}
            />
          )}
        </Field>
      </div>
      <div className="form-actions">
        <button type="submit" className="button" disabled={!cron.trim() || change.isPending}>
          {t("schedule.add")}
        </button>
      </div>
    </form>
  );
}
