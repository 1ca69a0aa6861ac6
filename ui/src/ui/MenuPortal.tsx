import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";

/** Puts an open menu above everything, yet inside the page's main landmark. */
export function MenuPortal({ children }: { children: ReactNode }) {
  return <DropdownMenu.Portal container={document.querySelector("main")}>{children}</DropdownMenu.Portal>;
}
