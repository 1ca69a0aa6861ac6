import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { reasonOf } from "../../../../api/mutations";
import { dateTime } from "../../../../shared/format";
import { idle as texts } from "../../../../shared/i18n/idle.en";
import { addEnglish, useT } from "../../../../shared/i18n/messages";
import { tell } from "../../../../shared/toasts";
import { Button } from "../../../../ui/Button";
import { Field } from "../../../../ui/Field";
import { type Idle, idleQuery, isRest, minutesOf, ownZone, typedMinutes, useRest } from "./api";
import { hoursOf, NIGHT, type TypedHours, typedHours } from "./quietHours";
import { SchedulePanel } from "./SchedulePanel";

addEnglish(texts);

interface RestPanelsProps {
  id: string;
}

/** When a workspace rests, why it is awake, and its schedule. */
export function RestPanels({ id }: RestPanelsProps) {
  const { data: idle, error } = useQuery(idleQuery(id));
  if (error) return <p className="field-problem">{reasonOf(error)}</p>;
  if (!idle) return null;
  return (
    <>
      <RestForm key={String(idle.own)} id={id} idle={idle} />
      <WhyAwake id={id} idle={idle} />
      <SchedulePanel id={id} />
    </>
  );
}

interface RestProps {
  id: string;
  idle: Idle;
}

function RestForm({ id, idle }: RestProps) {
  const t = useT();
  const rest = useRest(id);
  const { policy } = idle;
  const [pause, setPause] = useState(minutesOf(policy.pause_after));
  const [stop, setStop] = useState(minutesOf(policy.stop_after));
  const [units, setUnits] = useState(policy.units.join(" "));
  const [quiet, setQuiet] = useState(policy.quiet ? typedHours(policy.quiet) : null);
  const pauseAfter = typedMinutes(pause);
  const stopAfter = typedMinutes(stop);
  const hours = quiet && hoursOf(quiet);
  const isWrong = !isRest(pauseAfter, stopAfter) || hours === undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (pauseAfter === undefined || stopAfter === undefined || hours === undefined || isWrong) return;
    const wanted = {
      pause: pauseAfter,
      stop: stopAfter,
      units: units.split(/\s+/).filter(Boolean),
      quiet: hours,
    };
    rest.mutate({ policy: wanted, now: idle }, { onSuccess: () => tell("success", t("idle.saved")) });
  };
  return (
    <form className="panel" onSubmit={submit} noValidate>
      <h3>{t("idle.title")}</h3>
      <p className="muted">{t("idle.hint")}</p>
      {!idle.own && <p className="muted">{t("idle.ofService")}</p>}
      <div className="sizes sizes-two">
        <Minutes label={t("idle.pauseAfter")} value={pause} onChange={setPause} />
        <Minutes label={t("idle.stopAfter")} value={stop} onChange={setStop} />
      </div>
      <label className="switch">
        <input
          type="checkbox"
          checked={quiet !== null}
          onChange={({ target }) => setQuiet(target.checked ? NIGHT : null)}
        />
        {t("idle.quiet")}
      </label>
      {quiet && <QuietFields hours={quiet} zone={policy.quiet?.zone ?? ownZone} onChange={setQuiet} />}
      <Field label={t("idle.units")} hint={t("idle.unitsHint")}>
        {(field) => (
          <input
            {...field}
            spellCheck={false}
            value={units}
            onChange={(event) => setUnits(event.target.value)}
          />
        )}
      </Field>
      {isWrong && <p className="field-problem">{t("idle.minutes")}</p>}
      {rest.error && <p className="field-problem">{reasonOf(rest.error)}</p>}
      <div className="form-actions">
        {idle.own && (
          <Button disabled={rest.isPending} onClick={() => rest.mutate("reset")}>
            {t("idle.reset")}
          </Button>
        )}
        <button type="submit" className="button button-primary" disabled={isWrong || rest.isPending}>
          {t("idle.save")}
        </button>
      </div>
    </form>
  );
}

interface QuietProps {
  hours: TypedHours;
  zone: string;
  onChange: (hours: TypedHours) => void;
}

/** The hours of every day in which a workspace rests after other times. */
function QuietFields({ hours, zone, onChange }: QuietProps) {
  const t = useT();
  return (
    <div role="group" aria-label={t("idle.quiet")}>
      <p className="muted">{t("idle.quietHint", { zone })}</p>
      <div className="sizes sizes-two">
        {(["begin", "end"] as const).map((one) => (
          <Field key={one} label={t(`idle.quiet.${one}`)}>
            {(field) => (
              <input
                {...field}
                type="time"
                value={hours[one]}
                onChange={({ target }) => onChange({ ...hours, [one]: target.value })}
              />
            )}
          </Field>
        ))}
        <Minutes
          label={t("idle.quiet.pauseAfter")}
          value={hours.pause}
          onChange={(pause) => onChange({ ...hours, pause })}
        />
        <Minutes
          label={t("idle.quiet.stopAfter")}
          value={hours.stop}
          onChange={(stop) => onChange({ ...hours, stop })}
        />
      </div>
    </div>
  );
}

interface MinutesProps {
  label: string;
  value: string;
  onChange: (typed: string) => void;
}

function Minutes({ label, value, onChange }: MinutesProps) {
  const t = useT();
  return (
    <Field label={label} hint={t("idle.empty")}>
      {(field) => (
        <input
          {...field}
          inputMode="numeric"
          value={value}
          onChange={({ target }) => onChange(target.value)}
        />
      )}
    </Field>
  );
}

function WhyAwake({ id, idle }: RestProps) {
  const t = useT();
  const rest = useRest(id);
  const { because, hold, most, next, since, state } = idle;
  const at = (moment: string) => dateTime(moment, t.locale);
  return (
    <section className="panel" aria-label={t("idle.why")}>
      <h3>{t("idle.why")}</h3>
      {(state !== "quiet" || because.length > 0) && <p>{t(`idle.state.${state}`)}</p>}
      {because.length > 0 && (
        <ul>
          {because.map((one) => (
            <li key={one.code + JSON.stringify(one.values)}>{t.said(one, one.code)}</li>
          ))}
        </ul>
      )}
      {since && <p>{t("idle.since", { at: at(since) })}</p>}
      {most && <p className="muted">{t.said(most, most.code)}</p>}
      {next && <p>{t(`idle.next.${next.step}`, { at: at(next.at) })}</p>}
      {hold && (
        <p>
          {hold.reason
            ? t("idle.heldFor", { at: at(hold.until), reason: hold.reason })
            : t("idle.held", { at: at(hold.until) })}
        </p>
      )}
      {rest.error && <p className="field-problem">{reasonOf(rest.error)}</p>}
      <div className="form-actions">
        <Button disabled={rest.isPending} onClick={() => rest.mutate(hold ? "release" : "hold")}>
          {t(hold ? "idle.release" : "idle.hold")}
        </Button>
      </div>
    </section>
  );
}
