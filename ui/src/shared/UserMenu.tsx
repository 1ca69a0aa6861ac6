import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Check, CircleUser } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { reasonOf, signOut } from "../api/mutations";
import { localeStore, useT, type Locale } from "../i18n/messages";
import { MenuPortal } from "./MenuPortal";
import { singleKeys } from "./shortcuts";
import { useStore } from "./Store";
import { THEMES, themeStore, type Theme } from "./theme";
import { tell } from "./toasts";

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

/** Theme, language, keys, and the way out. */
export default function UserMenu({ name }: { name: string }) {
  const t = useT();
  const client = useQueryClient();
  const navigate = useNavigate();
  const leave = async () => {
    try {
      await signOut();
    } catch (failure) {
      tell("error", reasonOf(failure));
      return;
    }
    await navigate({ to: "/sign-in" });
    client.clear();
  };
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="bar-button" aria-label={t("app.menu")}>
        <CircleUser aria-hidden size={18} />
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
          <DropdownMenu.Separator className="menu-separator" />
          <DropdownMenu.Item className="menu-item" onSelect={() => void leave()}>
            <span className="menu-check" />
            {t("app.signOut")}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
}
