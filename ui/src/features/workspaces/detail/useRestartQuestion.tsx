import { type ReactNode, useState } from "react";
import { usePlan } from "../../../api/mutations";
import type { Plan, PlanRequest, WorkspaceDetail } from "../../../api/types";
import { lazily } from "../../../shared/lazily";
import type { RestartDialogProps } from "./RestartDialog";

const RestartDialog = lazily<RestartDialogProps>(async () => (await import("./RestartDialog")).default, {
  kind: "dialog",
});

interface Question {
  plan: Plan;
  go: () => void;
}

/** Asks before a change that restarts the workspace; the service tells which does, and what ends. */
export function useRestartQuestion(workspace: Pick<WorkspaceDetail, "id" | "name">) {
  const plan = usePlan(workspace);
  const [question, setQuestion] = useState<Question | null>(null);
  const close = () => setQuestion(null);
  const ask = (change: PlanRequest, go: () => void): void =>
    plan.mutate(change, { onSuccess: (told) => (told.restarts ? setQuestion({ plan: told, go }) : go()) });
  const dialog: ReactNode = question && (
    <RestartDialog
      name={workspace.name}
      plan={question.plan}
      onClose={close}
      onGo={() => {
        close();
        question.go();
      }}
    />
  );
  return { ask, dialog, isPending: plan.isPending, error: plan.error, reset: plan.reset };
}
