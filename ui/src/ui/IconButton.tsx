import type { LucideIcon } from "lucide-react";
import { type ComponentProps, useId } from "react";
import { tooltip } from "./Tooltip";

interface IconButtonProps extends ComponentProps<"button"> {
  icon: LucideIcon;
  /** What it does: said to who cannot see the icon, and shown beside it on hover and focus. */
  label: string;
  size?: number;
  /** Why it cannot be pressed now; as with `Button`. */
  reason?: string | undefined;
}

/** A button that is only an icon. */
export function IconButton({ icon: Icon, label, size = 16, reason, onClick, ...rest }: IconButtonProps) {
  const id = useId();
  return (
    <button
      type="button"
      aria-label={label}
      {...tooltip(reason ? `${label}: ${reason}` : label)}
      {...rest}
      className={["icon-button", rest.className].filter(Boolean).join(" ")}
      {...(reason ? { "aria-disabled": true, "aria-describedby": id } : { onClick })}
    >
      <Icon aria-hidden size={size} />
      {rest.children}
      {reason && (
        <span id={id} hidden>
          {reason}
        </span>
      )}
    </button>
  );
}
