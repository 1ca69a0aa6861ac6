import type { Plan } from "../../../api/types";
import { type Translate, useT } from "../../../shared/i18n/messages";
import { Confirm } from "../../../ui/Confirm";
import { isBusy } from "../../../api/terminals";

export interface RestartDialogProps {
  name: string;
  plan: Plan;
  onClose: () => void;
  onGo: () => void;
}

/** Says what ends when a change restarts a workspace, and asks whether that is wanted. */
export default function RestartDialog({ name, plan, onClose, onGo }: RestartDialogProps) {
  const t = useT();
  const { reasons, terminals, processes } = plan;
  const why = reasons.map((reason) => t(`restart.reason.${reason}`)).join(", ");
  return (
    <Confirm
      title={t("restart.title", { name })}
      description={t("restart.why", { why })}
      verb={t("restart.go")}
      isDangerous
      onConfirm={onGo}
      onClose={onClose}
    >
      {terminals === null && <p>{t("restart.terminalsUnknown")}</p>}
      {terminals && terminals.length > 0 && (
        <>
          <p>{t.count("restart.terminals", terminals.length)}</p>
          <ul>
            {terminals.map((terminal) => (
              <li key={terminal.id}>{terminalLine(terminal, t)}</li>
            ))}
          </ul>
        </>
      )}
      {processes !== null && <p className="muted">{t.count("restart.processes", processes)}</p>}
    </Confirm>
  );
}

function terminalLine({ name, process }: { name: string; process: string }, t: Translate): string {
  const what = isBusy({ process, exit_status: null }) ? process : t("restart.idle", { process });
  return name ? `${name}: ${what}` : what;
}
