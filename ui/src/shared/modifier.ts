import type { Translate } from "./i18n/messages";

const IS_APPLE = /Mac|iP(hone|ad)/.test(navigator.platform);

/** What the keyboard at hand calls the key that shortcuts of the page begin with. */
export const modifier = (t: Translate): string => (IS_APPLE ? "⌘" : t("keys.control"));
