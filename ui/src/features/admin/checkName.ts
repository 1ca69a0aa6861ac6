import { health } from "../../shared/i18n/health.en";
import type { MessageKey } from "../../shared/i18n/en";
import type { Translate } from "../../shared/i18n/messages";

/** The name of a check of the service's health; of one that is not known here, its code. */
export function checkName(t: Translate, code: string): string {
  if (code.startsWith("background_"))
    return t("check.background", { task: code.slice("background_".length) });
  const key = `check.${code}`;
  return Object.hasOwn(health, key) ? t(key as MessageKey) : code;
}
