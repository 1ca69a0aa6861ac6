import { Copy, Download } from "lucide-react";
import { request, workspacePath } from "../../../../api/client";
import { reasonOf } from "../../../../api/mutations";
import type { WorkspaceDetail } from "../../../../api/types";
import { saveText } from "../../../../shared/download";
import { useT } from "../../../../shared/i18n/messages";
import { tell } from "../../../../shared/toasts";
import { Button } from "../../../../ui/Button";
import { IconButton } from "../../../../ui/IconButton";
import { sshCommand } from "../sshCommand";

/** Fetches the key only when it is asked for: every read of it is in the audit log. */
async function saveKey(detail: WorkspaceDetail): Promise<void> {
  try {
    const path = workspacePath(detail.id, "ssh-key");
    const { private_key } = await request<{ private_key: string }>("GET", path);
    saveText(`${detail.name}.key`, private_key);
  } catch (failure) {
    tell("error", reasonOf(failure));
  }
}

/** How to get into the workspace from outside of the browser. */
export function ConnectPanel({ detail }: { detail: WorkspaceDetail }) {
  const t = useT();
  const command = sshCommand(detail);
  const anywhere = `ssh ${detail.name}.nixws`;
  const copy = (text: string) =>
    void navigator.clipboard.writeText(text).then(() => tell("success", t("app.copied")));
  return (
    <section className="panel">
      <h3>{t("detail.connect")}</h3>
      {command ? (
        <>
          <p className="muted">{t("detail.sshAnywhere")}</p>
          <div className="command">
            <code>{anywhere}</code>
            <IconButton icon={Copy} label={t("detail.sshCopyShort")} onClick={() => copy(anywhere)} />
          </div>
          <p className="muted">{t("detail.sshHint")}</p>
          <div className="command">
            <code>{command}</code>
            <IconButton icon={Copy} label={t("app.copy")} onClick={() => copy(command)} />
          </div>
        </>
      ) : (
        <p className="muted">{t("detail.sshDown")}</p>
      )}
      <div className="form-actions">
        <Button isSmall icon={Download} onClick={() => void saveKey(detail)}>
          {t("detail.sshKey")}
        </Button>
      </div>
      <p className="field-hint">{t("detail.sshWarning")}</p>
    </section>
  );
}
