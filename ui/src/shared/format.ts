/** Numbers, sizes and times for people, in the locale that is given. */

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** The browser's own variant of a language, such as en-GB: how dates are written is a matter of the region. */
const regional = (locale: string): string =>
  navigator.languages.find((one) => one === locale || one.startsWith(`${locale}-`)) ?? locale;

/** Formatters by what they are made of: making one costs more than using it. */
function cached<Options, Format>(make: (locale: string, options: Options) => Format) {
  const made = new Map<string, Format>();
  return (locale: string, options: Options): Format => {
    const key = `${locale} ${JSON.stringify(options)}`;
    let found = made.get(key);
    if (!found) {
      found = make(regional(locale), options);
      made.set(key, found);
    }
    return found;
  };
}

const numberFormat = cached(
  (locale, options: Intl.NumberFormatOptions) => new Intl.NumberFormat(locale, options),
);
const dateFormat = cached(
  (locale, options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options),
);
const relativeFormat = cached(
  (locale, options: Intl.RelativeTimeFormatOptions) => new Intl.RelativeTimeFormat(locale, options),
);

/** "5 minutes ago"; within a minute "now". */
export function relativeTime(iso: string, now: number, locale: string): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  const format = relativeFormat(locale, { numeric: "auto" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

export function dateTime(iso: string, locale: string): string {
  return dateFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

const SPANS: [Intl.NumberFormatOptions["unit"] & string, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** How long something has lasted, in its greatest unit: "3d", "2h", "9m". */
export function age(milliseconds: number, locale: string): string {
  const [unit, size] = SPANS.find(([, one]) => milliseconds >= one) ?? ["second", 1000];
  return numberFormat(locale, {
    style: "unit",
    unit,
    unitDisplay: "narrow",
    maximumFractionDigits: 0,
  }).format(Math.floor(milliseconds / size));
}

/** How long ago something was, in as few letters as there are: "2h"; within a minute "now". */
export function shortAgo(iso: string, now: number, locale: string): string {
  const past = now - Date.parse(iso);
  return past < MINUTE_MS
    ? relativeFormat(locale, { numeric: "auto" }).format(0, "second")
    : age(past, locale);
}

/** The time of day to the second. */
export function clockTime(iso: string, locale: string): string {
  const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return dateFormat(locale, parts).format(new Date(iso));
}

/** Formats points in time for an axis or a table. */
export const timeFormat = dateFormat;

export function number(value: number, locale: string, digits = 2): string {
  return numberFormat(locale, { maximumFractionDigits: digits }).format(value);
}

/** GB as the API counts them (2^30 bytes); below one in MB. */
export function gigabytes(value: number, locale: string, digits = 2): string {
  return value < 1 ? `${number(value * 1024, locale, 0)} MB` : `${number(value, locale, digits)} GB`;
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];

export function bytes(value: number, locale: string): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 1024 && unit < UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${number(scaled, locale, unit ? 1 : 0)} ${UNITS[unit]}`;
}

export function percent(value: number, locale: string, digits = 0): string {
  return numberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(value / 100);
}

/** Unix mode bits as `ls` writes them, without the type. */
export function modeText(mode: number): string {
  const letters = ["r", "w", "x"];
  return Array.from({ length: 9 }, (_, bit) => (mode & (1 << (8 - bit)) ? letters[bit % 3] : "-")).join("");
}

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const SHORT_MS = 10_000;

/** How long something took: "0.8s", "42s", "2m 5s". */
export function duration(milliseconds: number, locale: string): string {
  const unit = (value: number, name: "second" | "minute", digits = 0) =>
    numberFormat(locale, {
      style: "unit",
      unit: name,
      unitDisplay: "narrow",
      maximumFractionDigits: digits,
    }).format(value);
  if (milliseconds < SHORT_MS) return unit(milliseconds / SECOND_MS, "second", 1);
  const seconds = Math.round(milliseconds / SECOND_MS);
  if (milliseconds < MINUTE_MS) return unit(seconds, "second");
  return `${unit(Math.floor(seconds / 60), "minute")} ${unit(seconds % 60, "second")}`;
}
