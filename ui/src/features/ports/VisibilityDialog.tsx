import "./ports.css";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Copy } from "lucide-react";
import { useState } from "react";
import { portsKey } from "../../api/live";
import { reasonOf } from "../../api/mutations";
import { type Port, showPort, type Visibility } from "../../api/ports";
import { dateTime } from "../../shared/format";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";
import { tell } from "../../shared/toasts";
import { Button } from "../../ui/Button";
import { IconButton } from "../../ui/IconButton";
import { Modal } from "../../ui/Modal";

addEnglish(more);

const VISIBILITIES: readonly Visibility[] = ["private", "signed_in", "link"];
const HOUR = 3600;
const TIMES = [HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR] as const;
const USUAL = 7 * 24 * HOUR;

interface VisibilityDialogProps {
  workspaceId: string;
  port: Port;
  onClose: () => void;
}

/** Who may see a port; a link is shown this once. */
export function VisibilityDialog({ workspaceId, port, onClose }: VisibilityDialogProps) {
  const t = useT();
  const client = useQueryClient();
  const [visibility, setVisibility] = useState<Visibility>(port.visibility);
  const [seconds, setSeconds] = useState<number>(USUAL);
  const [link, setLink] = useState<string | null>(null);
  const showing = useMutation({
    mutationFn: () => showPort(workspaceId, port.port, visibility, visibility === "link" ? seconds : 0),
    onSuccess: (told) => {
      void client.invalidateQueries({ queryKey: portsKey(workspaceId) });
      if (told.link) setLink(told.link);
      else onClose();
    },
    onError: (failure) => tell("error", reasonOf(failure)),
  });
  return (
    <Modal
      isOpen
      onClose={onClose}
      title={t("ports.show", { port: port.port })}
      description={t("ports.showHint", { program: port.program || t("ports.unknown") })}
      isFilled={link !== null}
    >
      {link ? (
        <MadeLink link={link} />
      ) : (
        <fieldset className="port-choices">
          <legend className="visually-hidden">{t("ports.visibility")}</legend>
          {VISIBILITIES.map((one) => (
            <label key={one} className="port-choice">
              <input
                type="radio"
                name="visibility"
                checked={visibility === one}
                onChange={() => setVisibility(one)}
              />
              <span>
                {t(`ports.${one}`)}
                <small className="muted">{t(`ports.${one}.hint`)}</small>
              </span>
            </label>
          ))}
          {visibility === "link" && (
            <label className="field">
              {t("ports.expires")}
              <select value={seconds} onChange={(event) => setSeconds(Number(event.target.value))}>
                {TIMES.map((one) => (
                  <option key={one} value={one}>
                    {one === HOUR ? t("ports.hour") : t.count("ports.days", one / (24 * HOUR))}
                  </option>
                ))}
              </select>
            </label>
          )}
          {port.expires_at && (
            <p className="muted">{t("ports.until", { at: dateTime(port.expires_at, t.locale) })}</p>
          )}
        </fieldset>
      )}
      <div className="modal-actions">
        <Button onClick={onClose}>{t(link ? "app.close" : "app.cancel")}</Button>
        {!link && (
          <Button kind="primary" onClick={() => showing.mutate()} disabled={showing.isPending}>
            {t(visibility === "link" ? "ports.makeLink" : "app.save")}
          </Button>
        )}
      </div>
    </Modal>
  );
}

function MadeLink({ link }: { link: string }) {
  const t = useT();
  const copy = () => void navigator.clipboard.writeText(link).then(() => tell("success", t("app.copied")));
  return (
    <>
      <div className="command">
        <code>{link}</code>
        <IconButton icon={Copy} label={t("app.copy")} onClick={copy} />
      </div>
      <p className="field-hint">{t("ports.once")}</p>
    </>
  );
}
