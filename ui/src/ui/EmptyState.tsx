import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

interface EmptyStateProps {
  title: string;
  icon?: LucideIcon;
  /** Something went wrong: assistive technology is told at once. */
  isAlert?: boolean;
  /** Why it is so, and what can be done. */
  children?: ReactNode;
}

/** Stands where something would be: says what is missing and what to do next. */
export function EmptyState({ title, icon: Icon, isAlert = false, children }: EmptyStateProps) {
  return (
    <div className="empty-state" role={isAlert ? "alert" : undefined}>
      {Icon && <Icon aria-hidden size={28} />}
      <strong>{title}</strong>
      {children}
    </div>
  );
}
