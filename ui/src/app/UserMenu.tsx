import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Check } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { type ReactNode, useEffect, useState } from "react";
import { hasAccount } from "../api/abilities";
import { reasonOf, signOut } from "../api/mutations";
import { localeStore, useT, type Locale } from "../shared/i18n/messages";
import { clearForms } from "../shared/formDraft";
import { canNotify, followTasks, notices, switchNotices } from "./notices";
import { followWorker } from "./worker";
import { MenuPortal } from "../ui/MenuPortal";
import { Modal } from "../ui/Modal";
import { dropWork, openWork } from "../shared/openWork";
import { singleKeys } from "../shared/shortcuts";
import { useStore } from "../shared/Store";
import { THEMES, themeStore, type Theme } from "../shared/theme";
import { tell } from "../shared/toasts";

/** Two letters that stand for a person. */
const initials = (name: string) =>
  name
    .split(/[\s._()-]+/)
    .map((word) => Array.from(word)[0] ?? "")
    .join("")
    .slice(0, 2)
    .toUpperCase();

function Choice({ value, children }: { value: string; children: ReactNode }) {
  return (
    <DropdownMenu.RadioItem className="menu-item" value={value}>
      <span className="menu-check">
        <DropdownMenu.ItemIndicator>
          <Check aria-hidden size={14} />
        </DropdownMenu.ItemIndicator>
      </span>
      {children}
    </DropdownMenu.RadioItem>
  );
}

interface UserMenuProps {
  name: string;
  role: string;
  onKeys: () => void;
}

/** Theme, language, keys, and the way out. */
export default function UserMenu({ name, role, onKeys }: UserMenuProps) {
  const t = useT();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isAsking, setIsAsking] = useState(false);
  const unfinished = useStore(openWork);
  const isNotifying = useStore(notices);
  useEffect(() => followTasks(client), [client]);
  useEffect(() => followWorker((path) => void navigate({ to: path })), [navigate]);
  const notify = async (isOn: boolean) => {
    if (!(await switchNotices(isOn))) tell("error", t("notice.refused"));
  };
  const leave = async () => {
    setIsAsking(false);
    let elsewhere;
    try {
      elsewhere = await signOut();
    } catch (failure) {
      tell("error", reasonOf(failure));
      return;
    }
    dropWork();
    clearForms();
    if (elsewhere) {
      location.assign(elsewhere.url);
      return;
    }
    await navigate({ to: "/sign-in" });
    client.clear();
  };
  /** What belongs to an account. */
  const ways = (
    <>
      <DropdownMenu.Item className="menu-item" onSelect={() => void navigate({ to: "/me" })}>
        <span className="menu-check" />
        {t("me.title")}
      </DropdownMenu.Item>
      {role === "admin" && (
        <DropdownMenu.Item className="menu-item" onSelect={() => void navigate({ to: "/admin/users" })}>
          <span className="menu-check" />
          {t("people.title")}
        </DropdownMenu.Item>
      )}
      <DropdownMenu.Item className="menu-item" onSelect={() => void navigate({ to: "/profile" })}>
        <span className="menu-check" />
        {t("profile.title")}
      </DropdownMenu.Item>
      <DropdownMenu.Item className="menu-item" onSelect={() => void navigate({ to: "/ssh-keys" })}>
        <span className="menu-check" />
        {t("sshKeys.title")}
      </DropdownMenu.Item>
    </>
  );
  const menu = (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="avatar" aria-label={t("app.menu")}>
        {initials(name)}
      </DropdownMenu.Trigger>
      <MenuPortal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {name && (
            <DropdownMenu.Label className="menu-label">{t("app.signedInAs", { name })}</DropdownMenu.Label>
          )}
          <DropdownMenu.Label className="menu-label">{t("theme.label")}</DropdownMenu.Label>
          <DropdownMenu.RadioGroup
            value={useStore(themeStore)}
            onValueChange={(value) => themeStore.set(value as Theme)}
          >
            {THEMES.map((theme) => (
              <Choice key={theme} value={theme}>
                {t(`theme.${theme}`)}
              </Choice>
            ))}
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Label className="menu-label">{t("locale.label")}</DropdownMenu.Label>
          <DropdownMenu.RadioGroup
            value={useStore(localeStore)}
            onValueChange={(value) => localeStore.set(value as Locale)}
          >
            <Choice value="en">{t("locale.en")}</Choice>
            <Choice value="de">{t("locale.de")}</Choice>
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Separator className="menu-separator" />
          <DropdownMenu.CheckboxItem
            className="menu-item"
            checked={useStore(singleKeys)}
            onCheckedChange={(checked) => singleKeys.set(checked)}
          >
            <span className="menu-check">
              <DropdownMenu.ItemIndicator>
                <Check aria-hidden size={14} />
              </DropdownMenu.ItemIndicator>
            </span>
            {t("keys.single")}
          </DropdownMenu.CheckboxItem>
          {canNotify() && (
            <DropdownMenu.CheckboxItem
              className="menu-item"
              checked={isNotifying}
              onCheckedChange={(isOn) => void notify(isOn)}
            >
              <span className="menu-check">
                <DropdownMenu.ItemIndicator>
                  <Check aria-hidden size={14} />
                </DropdownMenu.ItemIndicator>
              </span>
              {t("notice.on")}
            </DropdownMenu.CheckboxItem>
          )}
          {hasAccount({ name, role }) && ways}
          <DropdownMenu.Item className="menu-item" onSelect={onKeys}>
            <span className="menu-check" />
            {t("help.title")}
          </DropdownMenu.Item>
          <DropdownMenu.Separator className="menu-separator" />
          <DropdownMenu.Item
            className="menu-item"
            onSelect={() => (unfinished.length > 0 ? setIsAsking(true) : void leave())}
          >
            <span className="menu-check" />
            {t("app.signOut")}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
  return (
    <>
      {menu}
      <Modal
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title={t("work.leave")}
        description={t("work.leaveHint")}
      >
        <ul>
          {unfinished.map((work) => (
            <li key={work.id}>{t(work.text, { name: work.name })}</li>
          ))}
        </ul>
        <div className="modal-actions">
          <button type="button" className="button" onClick={() => setIsAsking(false)}>
            {t("app.cancel")}
          </button>
          <button type="button" className="button button-danger" onClick={() => void leave()}>
            {t("app.signOut")}
          </button>
        </div>
      </Modal>
    </>
  );
}
