import { type Idle, isRest, minutesOf, typedMinutes, type WantedRest } from "./api";

/** Quiet hours as a form has them: clock times and minutes as text. */
export interface TypedHours {
  begin: string;
  end: string;
  pause: string;
  stop: string;
}

/** The hours that are offered first. */
export const NIGHT: TypedHours = { begin: "22:00", end: "06:00", pause: "", stop: "15" };

/** The stored hours as a form shows them. */
export const typedHours = (hours: NonNullable<Idle["policy"]["quiet"]>): TypedHours => ({
  begin: hours.begin,
  end: hours.end,
  pause: minutesOf(hours.pause_after),
  stop: minutesOf(hours.stop_after),
});

/** The hours that were typed; undefined for what cannot be. */
export function hoursOf({
  begin,
  end,
  pause,
  stop,
}: TypedHours): NonNullable<WantedRest["quiet"]> | undefined {
  const pauseAfter = typedMinutes(pause);
  const stopAfter = typedMinutes(stop);
  if (pauseAfter === undefined || stopAfter === undefined || !isRest(pauseAfter, stopAfter)) return undefined;
  return begin && end && begin !== end ? { begin, end, pause: pauseAfter, stop: stopAfter } : undefined;
}
