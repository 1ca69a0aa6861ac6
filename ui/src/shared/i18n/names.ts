import { en, type MessageKey } from "./en";
import type { Translate } from "./messages";

/** The catalogue's text of a key that may not be there. */
const textOf = (t: Translate, key: string): string | undefined =>
  Object.hasOwn(en, key) ? t(key as MessageKey) : undefined;

interface Named {
  name: string;
  title: string;
  description: string;
}

/** Title and description of a template in the language in force; of one's own, as they are written. */
export const templateTexts = (t: Translate, { name, title, description }: Named) => ({
  title: textOf(t, `template.${name}.title`) ?? title,
  description: textOf(t, `template.${name}.description`) ?? description,
});

/** The name of a package set in the language in force. */
export const packageSetName = (t: Translate, set: string): string =>
  set === "Debian 12 packages under nixpkgs names" ? t("packages.debianSet") : set;
