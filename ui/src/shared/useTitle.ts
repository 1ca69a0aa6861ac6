import { useEffect } from "react";

const titles = { page: "", part: "" };

function show(): void {
  const title = titles.part || titles.page;
  document.title = title ? `${title} · NixOS Workspaces` : "NixOS Workspaces";
}

/** Names the page in its tab and to screen readers while its caller is shown; a part of it may name it more exactly. */
export function useTitle(title: string, kind: keyof typeof titles = "page"): void {
  useEffect(() => {
    titles[kind] = title;
    show();
    return () => {
      if (kind === "page") return;
      titles[kind] = "";
      show();
    };
  }, [title, kind]);
}
