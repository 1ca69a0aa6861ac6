import type { ReactNode } from "react";
import { useT } from "../shared/i18n/messages";
import { Button } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { wakeVerb } from "./abilities";
import { useVerb } from "./mutations";
import type { WorkspaceDetail } from "./types";

interface NeedsRunningProps {
  workspace: WorkspaceDetail;
  /** What needs it to run, in a sentence. */
  title: string;
  children?: ReactNode;
}

/** Stands in the place of a part that needs a running workspace, with the way to have one. */
export function NeedsRunning({ workspace, title, children }: NeedsRunningProps) {
  const t = useT();
  const verb = useVerb();
  const wake = wakeVerb(workspace.status);
  return (
    <EmptyState title={title}>
      {children}
      {wake && (
        <Button kind="primary" onClick={() => verb.mutate({ verb: wake, workspace })}>
          {t(`action.${wake}`)}
        </Button>
      )}
    </EmptyState>
  );
}
