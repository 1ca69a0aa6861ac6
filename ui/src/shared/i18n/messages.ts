import { Chunk, preloaded } from "../Chunk";
import { keptStore, Store, useStore } from "../Store";
import { problems as english } from "./problems.en";
import { en, type Catalogue, type MessageKey } from "./en";

export type Locale = "en" | "de";
/** Texts of errors by their code. */
export type Problems = Readonly<Record<string, string>>;

/** A sentence of the service by its code, with what is filled in; values that are sentences themselves are its parts. */
export interface Said {
  code: string;
  values: Readonly<Record<string, string>>;
  parts?: Readonly<Record<string, Said>>;
  /** In English. */
  text?: string;
}

/** An error as the service tells it. */
export interface Problem {
  code: string;
  message: string;
  /** The message by its code, where it has one. */
  said?: Said | null;
}

/** Texts of such sentences by their code. */
export type SaidTexts = Readonly<Record<string, string>>;

export type Parameters = Record<string, string | number>;

/** A stem of texts that count: `list.count` for `list.count.one` and `list.count.other`. */
export type CountKey = MessageKey extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;

export interface Translate {
  (key: MessageKey, parameters?: Parameters): string;
  count(key: CountKey, count: number): string;
  /** What an error of the service means; of one that is not known here, the service's own sentence. */
  problem(problem: Problem): string;
  /** What the service says, in its own words where this language has none. */
  said(said: Said | null | undefined, words: string): string;
  /** What to do about it. */
  remedy(said: Said, words: string): string;
  locale: Locale;
}

const isLocale = (value: unknown): value is Locale => value === "en" || value === "de";
const preferred: Locale =
  typeof navigator !== "undefined" && navigator.language.startsWith("de") ? "de" : "en";

/** The language that was chosen in this browser; before that, the browser's own. */
export const localeStore = keptStore<Locale>("nixws.locale", preferred, isLocale);

/** What counts or measures in a sentence of the service. */
const FIGURES = new Set(
  (
    "free total share count bad before restarts latency needed left most least allowed used more peak rate percent " +
    "cpu cpu_total memory memory_total"
  ).split(" "),
);

/** Values that stand for a word of the catalogue, by the stem of its key. */
const WORDS: Record<string, string> = {
  status: "status",
  desire: "status",
  state: "status",
  mode: "network.mode",
  floor: "network.mode",
};

function fill(text: string, parameters: Parameters = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));
}

/** Made when it is first wanted: a formatter takes longer to make than the first view has to spare. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

interface Sentences {
  sentences?: SaidTexts;
  remedies?: SaidTexts;
}

export function translator(
  locale: Locale,
  catalogue: Catalogue,
  problems: Problems = {},
  { sentences = {}, remedies = {} }: Sentences = {},
): Translate {
  const plural = once(() => new Intl.PluralRules(locale));
  const numbers = once(() => new Intl.NumberFormat(locale));
  const moments = once(() => new Intl.DateTimeFormat(locale, { dateStyle: "short", timeStyle: "medium" }));
  const translate = (key: MessageKey, parameters?: Parameters) => fill(catalogue[key], parameters);
  // A sentence that this language has says all of it; else the code's text leads up to the service's English one.
  const problem = ({ code, message, said }: Problem): string =>
    say(sentences, said, fill(problems[code] ?? "{said}", { said: message }));
  /** The catalogue's word for a value of the service that has one, such as a status. */
  const word = (name: string, value: string): string => {
    if (name === "set" && value === en["packages.debianSet"]) return catalogue["packages.debianSet"];
    const key = `${WORDS[name]}.${value}`;
    return name in WORDS && Object.hasOwn(catalogue, key) ? catalogue[key as MessageKey] : value;
  };
  /** Figures, moments and states as the language writes them, and an error that is told in its words. */
  const written = ({ values, parts }: Said): Parameters => {
    const all = Object.entries(values).map(([name, value]) => {
      if (FIGURES.has(name) && !Number.isNaN(Number(value))) return [name, numbers().format(Number(value))];
      if (name === "at")
        return [name, moments().format(new Date(value.replace(" ", "T").replace(" UTC", "Z")))];
      if (name === "said" && values.problem)
        return [name, problem({ code: values.problem, message: value, said: parts?.said ?? null })];
      return [name, say(sentences, parts?.[name], word(name, value))];
    });
    return Object.fromEntries(all) as Parameters;
  };
  function say(texts: SaidTexts, said: Said | null | undefined, words: string): string {
    const text = said && texts[said.code];
    return text ? fill(text, written(said)) : words;
  }
  return Object.assign(translate, {
    locale,
    problem,
    said: (said: Said | null | undefined, words: string) => say(sentences, said, said?.text ?? words),
    remedy: (said: Said, words: string) => say(remedies, said, words),
    count: (key: CountKey, count: number) => {
      const form = plural().select(count) === "one" ? "one" : "other";
      return fill(catalogue[`${key}.${form}` as MessageKey], { count: numbers().format(count) });
    },
  });
}

const german = new Chunk(async () => {
  const [{ de }, { problems }, said] = await Promise.all([
    import("./de"),
    import("./problems.de"),
    import("./said.de"),
  ]);
  return { de, problems, said };
});
preloaded(german.load);
/** All English texts, once the parts that have some of their own are here. */
const texts = { ...en } as Catalogue;
const current = new Store<Translate>(translator("en", texts, english));

/** Adds the texts of a part that was fetched later. */
export function addEnglish(more: Partial<Catalogue>): void {
  Object.assign(texts, more);
}

/** Switches to the chosen language; German is fetched when it is first wanted. */
async function load(locale: Locale): Promise<void> {
  if (locale === "de") await german.load();
  const fetched = german.state.get();
  // A page in the other language is better than none: where German does not come, English stays.
  if (localeStore.get() !== locale || (locale === "de" && fetched.kind !== "here")) return;
  document.documentElement.lang = locale;
  current.set(() =>
    locale === "de" && fetched.kind === "here"
      ? translator(locale, fetched.module.de, fetched.module.problems, fetched.module.said)
      : translator("en", texts, english),
  );
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
