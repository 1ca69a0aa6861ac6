import { tooltip } from "./Tooltip";

/** Characters at the end that stay in sight: what tells names of one kind apart stands there. */
const KEPT = 9;
const SHORT = 18;

/** One line of text; where it does not fit, its middle is left out, and all of it is shown on hover. */
export function MiddleText({ text }: { text: string }) {
  if (text.length <= SHORT) return text;
  return (
    <span className="middle-text" role="img" aria-label={text} {...tooltip(text)}>
      <span className="middle-text-head">{text.slice(0, -KEPT)}</span>
      <span>{text.slice(-KEPT)}</span>
    </span>
  );
}
