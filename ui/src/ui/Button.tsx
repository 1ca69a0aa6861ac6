import type { LucideIcon } from "lucide-react";
import { type ComponentProps, useId } from "react";
import { tooltip } from "./Tooltip";

export type ButtonKind = "plain" | "primary" | "quiet" | "danger";

/** The classes of a button, for links that look like one. */
export function buttonClass(kind: ButtonKind = "plain", isSmall = false): string {
  return ["button", kind !== "plain" && `button-${kind}`, isSmall && "button-small"]
    .filter(Boolean)
    .join(" ");
}

interface ButtonProps extends ComponentProps<"button"> {
  kind?: ButtonKind;
  isSmall?: boolean;
  icon?: LucideIcon;
  /** Why it cannot be pressed now. It keeps its place in the order of the keyboard, so that the reason can be read. */
  reason?: string | undefined;
}

/** A button with words on it. */
export function Button({
  kind = "plain",
  isSmall = false,
  icon: Icon,
  reason,
  children,
  onClick,
  ...rest
}: ButtonProps) {
  const id = useId();
  return (
    <button
      type="button"
      {...tooltip(reason)}
      {...rest}
      className={[buttonClass(kind, isSmall), rest.className].filter(Boolean).join(" ")}
      {...(reason ? { "aria-disabled": true, "aria-describedby": id } : { onClick })}
    >
      {Icon && <Icon aria-hidden size={isSmall ? 14 : 16} />}
      {children}
      {reason && (
        <span id={id} hidden>
          {reason}
        </span>
      )}
    </button>
  );
}
