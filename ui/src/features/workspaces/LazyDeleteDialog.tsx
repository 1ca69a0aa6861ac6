import { lazily } from "../../shared/lazily";
import type { DeleteDialogProps } from "./DeleteDialog";

const DeleteDialog = lazily(async () => (await import("./DeleteDialog")).default, { kind: "dialog" });

/** `DeleteDialog`, fetched when it is first wanted. */
export function LazyDeleteDialog(props: DeleteDialogProps) {
  return props.workspaces.length === 0 ? null : <DeleteDialog {...props} />;
}
