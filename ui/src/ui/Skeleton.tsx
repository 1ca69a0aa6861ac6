interface SkeletonProps {
  /** How many lines stand for what is to come. */
  lines?: number;
  /** What is waited for. */
  label: string;
}

const WIDTHS = ["72%", "48%", "64%", "36%"];

/** Keeps the room of text that is on its way. */
export function Skeleton({ lines = 3, label }: SkeletonProps) {
  return (
    <div role="status" aria-label={label} className="skeleton-lines">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} className="skeleton" style={{ inlineSize: WIDTHS[line % WIDTHS.length] }} />
      ))}
    </div>
  );
}
