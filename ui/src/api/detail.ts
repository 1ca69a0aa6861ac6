import { createContext, use } from "react";
import type { WorkspaceDetail } from "./types";

/** The workspace whose view is shown. */
export const DetailContext = createContext<WorkspaceDetail | null>(null);

/** The workspace whose view this is; only within `WorkspaceDetailView`. */
export function useDetail(): WorkspaceDetail {
  const detail = use(DetailContext);
  if (!detail) throw new Error("useDetail is called outside of a workspace's view");
  return detail;
}
