import type { Extension } from "@codemirror/state";
import { preloaded } from "../../../shared/Chunk";

const script = (options?: { jsx?: boolean; typescript?: boolean }) => async (): Promise<Extension> =>
  (await import("@codemirror/lang-javascript")).javascript(options);
const yaml = async (): Promise<Extension> => (await import("@codemirror/lang-yaml")).yaml();

/** By a file name's ending; each language is fetched when a file of it is opened or the page is idle. */
const LANGUAGES: Record<string, () => Promise<Extension>> = {
  nix: async () => (await import("./nix")).nix(),
  py: async () => (await import("@codemirror/lang-python")).python(),
  js: script(),
  mjs: script(),
  jsx: script({ jsx: true }),
  ts: script({ typescript: true }),
  tsx: script({ jsx: true, typescript: true }),
  json: async () => (await import("@codemirror/lang-json")).json(),
  md: async () => (await import("@codemirror/lang-markdown")).markdown(),
  css: async () => (await import("@codemirror/lang-css")).css(),
  html: async () => (await import("@codemirror/lang-html")).html(),
  yml: yaml,
  yaml,
};

for (const load of Object.values(LANGUAGES)) preloaded(load);

/** What the editor needs for the language of a file; nothing for one that it does not know. */
export async function languageOf(name: string): Promise<Extension> {
  const load = LANGUAGES[name.slice(name.lastIndexOf(".") + 1).toLowerCase()];
  // Where a language does not come, its text is shown without colours.
  return load ? await load().catch(() => []) : [];
}
