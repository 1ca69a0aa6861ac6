import { useLocation } from "@tanstack/react-router";

/** The workspace whose page is open, by id or name as the address has it; also where the address has no such part. */
export function useOpenId(): string | undefined {
  const found = useLocation({ select: ({ pathname }) => /^\/workspaces\/([^/]+)/.exec(pathname)?.[1] });
  return found === undefined ? undefined : decodeURIComponent(found);
}
