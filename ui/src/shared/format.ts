/** Numbers, sizes and times for people, in the locale that is given. */

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "5 minutes ago"; within a minute "now". */
export function relativeTime(iso: string, now: number, locale: string): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

export function dateTime(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

export function number(value: number, locale: string, digits = 2): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);
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
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(
    value / 100,
  );
}

/** Unix mode bits as `ls` writes them, without the type. */
export function modeText(mode: number): string {
  const letters = ["r", "w", "x"];
  return Array.from({ length: 9 }, (_, bit) => (mode & (1 << (8 - bit)) ? letters[bit % 3] : "-")).join("");
}
