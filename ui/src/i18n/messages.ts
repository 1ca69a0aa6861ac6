import { keptStore, Store, useStore } from "../shared/Store";
import { en, type Catalogue, type MessageKey } from "./en";

export type Locale = "en" | "de";
export type Parameters = Record<string, string | number>;

/** A stem of texts that count: `list.count` for `list.count.one` and `list.count.other`. */
export type CountKey = MessageKey extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;

export interface Translate {
  (key: MessageKey, parameters?: Parameters): string;
  count(key: CountKey, count: number): string;
  locale: Locale;
}

const isLocale = (value: unknown): value is Locale => value === "en" || value === "de";
const preferred: Locale =
  typeof navigator !== "undefined" && navigator.language.startsWith("de") ? "de" : "en";

/** The language that was chosen in this browser; before that, the browser's own. */
export const localeStore = keptStore<Locale>("nixws.locale", preferred, isLocale);

function fill(text: string, parameters: Parameters = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));
}

export function translator(locale: Locale, catalogue: Catalogue): Translate {
  const plural = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(locale);
  const translate = (key: MessageKey, parameters?: Parameters) => fill(catalogue[key], parameters);
  return Object.assign(translate, {
    locale,
    count: (key: CountKey, count: number) => {
      const form = plural.select(count) === "one" ? "one" : "other";
      return fill(catalogue[`${key}.${form}` as MessageKey], { count: numbers.format(count) });
    },
  });
}

const current = new Store<Translate>(translator("en", en));

/** Switches to the chosen language; German is fetched when it is first wanted. */
async function load(locale: Locale): Promise<void> {
  const catalogue = locale === "en" ? en : (await import("./de")).de;
  if (localeStore.get() !== locale) return;
  document.documentElement.lang = locale;
  current.set(() => translator(locale, catalogue));
}

/** Loads the chosen language now and at every change of it. */
export function followLocale(): Promise<void> {
  localeStore.subscribe(() => void load(localeStore.get()));
  return load(localeStore.get());
}

/** The texts in the language in force. */
export function useT(): Translate {
  return useStore(current);
}

/** As `useT`, outside of components. */
export const currentTranslate = (): Translate => current.get();
