import { useCallback, useState } from "react";
import type { Workspace } from "../../api/types";

const NOTHING: readonly Pick<Workspace, "id" | "name">[] = [];

/** Which workspaces somebody is asked to confirm the end of. */
export function useDeleteDialog() {
  const [asked, setAsked] = useState<readonly Pick<Workspace, "id" | "name">[]>(NOTHING);
  const close = useCallback(() => setAsked(NOTHING), []);
  return { asked, ask: setAsked, close };
}
