import { useEffect } from "react";

/** Names the page in its tab and to screen readers while its caller is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · NixOS Workspaces` : "NixOS Workspaces";
  }, [title]);
}
