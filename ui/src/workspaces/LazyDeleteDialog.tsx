import { lazy, Suspense } from "react";
import type { DeleteDialogProps } from "./DeleteDialog";

const DeleteDialog = lazy(() => import("./DeleteDialog"));

/** `DeleteDialog`, fetched when it is first wanted. */
export function LazyDeleteDialog(props: DeleteDialogProps) {
  if (props.workspaces.length === 0) return null;
  return (
    <Suspense>
      <DeleteDialog {...props} />
    </Suspense>
  );
}
