import type { ReactNode } from "react";

export type BadgeTone = "plain" | "live" | "success" | "warning" | "error";

/** A fact of a word or two: a port, a count, a level. */
export function Badge({ tone = "plain", children }: { tone?: BadgeTone; children: ReactNode }) {
  return <span className={tone === "plain" ? "tag" : `tag tag-${tone}`}>{children}</span>;
}
