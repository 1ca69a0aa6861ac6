import { useT } from "./i18n/messages";
import { percent } from "./format";

const HIGH = 75;
const FULL = 90;

interface MeterProps {
  label: string;
  /** Percent of the limit, 0 to 100; null while it is not known. */
  value: number | null;
  /** The limit, in words; stands beside the percentage. */
  limit?: string;
  /** What is said in the place of percentage and limit. */
  text?: string;
  /** The same in more words, where there is little room. */
  title?: string;
}

/** How much of a limit is used. */
export function Meter({ label, value, limit = "", text: given, title }: MeterProps) {
  const t = useT();
  const level = value === null ? "none" : value >= FULL ? "full" : value >= HIGH ? "high" : "fine";
  const text = given ?? (value === null ? limit : `${percent(value, t.locale)} · ${limit}`);
  return (
    <div className="meter" title={title}>
      <span className="meter-label">{label}</span>
      <span
        className={`meter-bar meter-${level}`}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(value ?? 0)}
        aria-valuetext={title ?? text}
      >
        <span style={{ inlineSize: `${Math.min(100, Math.max(0, value ?? 0))}%` }} />
      </span>
      <span className="meter-text" aria-hidden>
        {text}
      </span>
    </div>
  );
}
