import { Link } from "@tanstack/react-router";
import { useMayPlay } from "../../../api/playing";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import type { MessageKey } from "../../../shared/i18n/en";
import { more } from "../../../shared/i18n/more.en";
import { Field } from "../../../ui/Field";
import { Modal } from "../../../ui/Modal";
import { useStore } from "../../../shared/Store";
import { CURSORS, SCHEMES, terminalSettings, type TerminalSettings } from "./settings";

addEnglish(more);

const within = (text: string, least: number, most: number, before: number): number => {
  const value = Math.round(Number(text));
  return Number.isFinite(value) && text !== "" ? Math.min(most, Math.max(least, value)) : before;
};

const SWITCHES: { name: "bell" | "clipboard" | "screenReader"; label: MessageKey }[] = [
  { name: "bell", label: "terminal.bell" },
  { name: "clipboard", label: "terminal.clipboard" },
  { name: "screenReader", label: "terminal.screenReader" },
];

const put = (change: Partial<TerminalSettings>) =>
  terminalSettings.set((before) => ({ ...before, ...change }));

/** How terminals look and behave in this browser; takes effect at once. */
export default function SettingsDialog({
  workspaceId,
  onClose,
}: {
  workspaceId: string;
  onClose: () => void;
}) {
  const t = useT();
  const settings = useStore(terminalSettings);
  const mayPlay = useMayPlay();
  return (
    <Modal isOpen onClose={onClose} title={t("terminal.settings")}>
      <div className="sizes sizes-two">
        <Field label={t("terminal.fontSize")}>
          {(field) => (
            <input
              {...field}
              type="number"
              min={8}
              max={32}
              defaultValue={settings.fontSize}
              onChange={(event) => put({ fontSize: within(event.target.value, 8, 32, settings.fontSize) })}
            />
          )}
        </Field>
        <Field label={t("terminal.scrollback")}>
          {(field) => (
            <input
              {...field}
              type="number"
              min={100}
              max={200_000}
              step={1000}
              defaultValue={settings.scrollback}
              onChange={(event) =>
                put({ scrollback: within(event.target.value, 100, 200_000, settings.scrollback) })
              }
            />
          )}
        </Field>
        <Field label={t("terminal.scheme")}>
          {(field) => (
            <select
              {...field}
              value={settings.scheme}
              onChange={(event) => put({ scheme: event.target.value as TerminalSettings["scheme"] })}
            >
              {SCHEMES.map((scheme) => (
                <option key={scheme} value={scheme}>
                  {t(`terminal.scheme.${scheme}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t("terminal.cursor")}>
          {(field) => (
            <select
              {...field}
              value={settings.cursor}
              onChange={(event) => put({ cursor: event.target.value as TerminalSettings["cursor"] })}
            >
              {CURSORS.map((cursor) => (
                <option key={cursor} value={cursor}>
                  {t(`terminal.cursor.${cursor}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <Field label={t("terminal.fontFamily")}>
        {(field) => (
          <input
            {...field}
            defaultValue={settings.fontFamily}
            onChange={(event) => event.target.value.trim() && put({ fontFamily: event.target.value })}
          />
        )}
      </Field>
      {SWITCHES.map(({ name, label }) => (
        <label key={name} className="switch">
          <input
            type="checkbox"
            checked={settings[name]}
            onChange={(event) => put({ [name]: event.target.checked })}
          />
          {t(label)}
        </label>
      ))}
      <p className="muted">{t("terminal.leave")}</p>
      {mayPlay ? (
        <p>
          <Link to="/workspaces/$workspaceId/recordings" params={{ workspaceId }} onClick={onClose}>
            {t("recordings.title")}
          </Link>
        </p>
      ) : (
        <p className="muted">{t("recordings.notShared")}</p>
      )}
    </Modal>
  );
}
