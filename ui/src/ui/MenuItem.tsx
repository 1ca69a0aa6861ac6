import type { LucideIcon } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";

interface MenuItemProps {
  icon: LucideIcon;
  children: ReactNode;
  onSelect: () => void;
  isDangerous?: boolean;
  /** Why it cannot be chosen now; it stays in reach of the keyboard, so that the reason can be read. */
  reason?: string | undefined;
}

/** A line of a menu; one that cannot be chosen says why. */
export function MenuItem({ icon: Icon, children, onSelect, isDangerous = false, reason }: MenuItemProps) {
  return (
    <DropdownMenu.Item
      className={isDangerous ? "menu-item menu-danger" : "menu-item"}
      aria-disabled={reason ? true : undefined}
      onSelect={(event) => {
        if (reason) event.preventDefault();
        else onSelect();
      }}
    >
      <Icon aria-hidden size={15} />
      {children}
      {reason && <span className="menu-reason">{reason}</span>}
    </DropdownMenu.Item>
  );
}
