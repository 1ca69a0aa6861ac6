import { useState } from "react";
import type { ShareMade } from "../../../../api/shares";
import type { WorkspaceDetail } from "../../../../api/types";
import { addEnglish, useT } from "../../../../shared/i18n/messages";
import { sharing } from "../../../../shared/i18n/sharing.en";
import { tell } from "../../../../shared/toasts";
import { Button } from "../../../../ui/Button";
import { Field } from "../../../../ui/Field";
import { Modal } from "../../../../ui/Modal";
import { useOpenTerminals, WHOLE } from "./part";
import { ShareForm } from "./ShareForm";
import { ShareList } from "./ShareList";
import { TransferForm } from "./TransferForm";
import "./sharing.css";

addEnglish(sharing);

/** Says who has a workspace besides its owner, and lets others have it or a part of it. */
export default function ShareDialog({
  detail,
  onClose,
}: {
  detail: Pick<WorkspaceDetail, "id" | "name" | "status">;
  onClose: () => void;
}) {
  const t = useT();
  const [made, setMade] = useState<ShareMade | null>(null);
  const [part, setPart] = useState(WHOLE);
  const terminals = useOpenTerminals(detail.id, detail.status === "running");
  return (
    <Modal
      isOpen
      onClose={onClose}
      title={t("share.title", { name: detail.name })}
      description={t(`share.means.${part.kind}`)}
    >
      <ShareForm detail={detail} part={part} onPart={setPart} terminals={terminals} onMade={setMade} />
      {made?.link && <NewLink link={made.link} />}
      <ShareList workspaceId={detail.id} terminals={terminals} />
      <TransferForm workspaceId={detail.id} />
    </Modal>
  );
}

function NewLink({ link }: { link: string }) {
  const t = useT();
  const copy = () => void navigator.clipboard.writeText(link).then(() => tell("success", t("app.copied")));
  return (
    <div className="new-link" role="status">
      <Field label={t("share.link")}>
        {(props) => <input {...props} readOnly value={link} onFocus={(event) => event.target.select()} />}
      </Field>
      <Button onClick={copy}>{t("share.copy")}</Button>
    </div>
  );
}
