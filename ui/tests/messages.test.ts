import { describe, expect, it } from "vitest";
import { de } from "../src/shared/i18n/de";
import { more } from "../src/shared/i18n/more.en";
import { en } from "./english";
import { translator } from "../src/shared/i18n/messages";
import { problems as german } from "../src/shared/i18n/problems.de";
import * as said from "../src/shared/i18n/said.de";
import { problems as english } from "../src/shared/i18n/problems.en";

const files: Record<string, string> = import.meta.glob("../src/**/*.{ts,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});
const sources = Object.entries(files)
  .filter(([name]) => !/i18n\/((problems|said|more)\.)?(en|de)\.ts$|schema\.d\.ts$/.test(name))
  .map(([, source]) => source)
  .join("\n");

/** Keys that are put together: `action.${verb}` stands for all that begin and end so. */
const patterns = [...sources.matchAll(/`([\w.]*\$\{[^`]*)`/g)]
  .map(([, text]) => (text ?? "").replace(/\$\{[^}]*\}/g, "*"))
  .filter((text) => /^\w+\.[\w.*]+$/.test(text))
  .map((text) => new RegExp(`^${text.replaceAll(".", "\\.").replaceAll("*", "[\\w.-]+")}$`));

const isUsed = (key: string): boolean => {
  const stem = key.replace(/\.(one|other)$/, "");
  return [key, stem].some(
    (one) => sources.includes(`"${one}"`) || patterns.some((pattern) => pattern.test(one)),
  );
};

const folderOf = (name: string): string => name.slice(0, name.lastIndexOf("/"));
const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).toSorted();

describe("the catalogue of texts", () => {
  it("holds no text that nothing says", () => {
    expect(Object.keys(en).filter((key) => !isUsed(key))).toEqual([]);
  });

  it("is added to by every folder that says what comes later", () => {
    const adding = new Set(
      Object.entries(files)
        .filter(([, source]) => source.includes("addEnglish(more)"))
        .map(([name]) => folderOf(name)),
    );
    const saying = Object.entries(files).filter(
      ([name, source]) =>
        !name.includes("/i18n/") && Object.keys(more).some((key) => source.includes(`"${key}"`)),
    );
    expect(saying.length).toBeGreaterThan(5);
    expect(saying.map(([name]) => name).filter((name) => !adding.has(folderOf(name)))).toEqual([]);
  });

  it("says the same in both languages, with the same values in it", () => {
    expect(Object.keys(de).toSorted()).toEqual(Object.keys(en).toSorted());
    const differing = Object.entries(en).filter(
      ([key, text]) => placeholders(text).join(" ") !== placeholders(de[key as keyof typeof de]).join(" "),
    );
    expect(differing.map(([key]) => key)).toEqual([]);
  });

  it("has a text for every key that the source names", () => {
    const keys = new Set(Object.keys(en));
    const stems = new Set([...keys].map((key) => key.split(".")[0]));
    const named = [...sources.matchAll(/\bt\(\s*"([\w.]+)"/g)].map(([, key]) => key ?? "");
    const counted = [...sources.matchAll(/\bt\.count\(\s*"([\w.]+)"/g)].map(([, key]) => `${key}.other`);
    expect([...named, ...counted].filter((key) => !keys.has(key))).toEqual([]);
    expect(stems.size).toBeGreaterThan(10);
  });
});

describe("the texts of errors", () => {
  it("know in German every error that they know in English", () => {
    expect(Object.keys(english).filter((code) => !(code in german))).toEqual([]);
  });

  it("hold no other value than the service's sentence", () => {
    for (const text of [...Object.values(english), ...Object.values(german)])
      expect(
        placeholders(text).filter((one) => one !== "{said}"),
        text,
      ).toEqual([]);
  });

  it("take the place of the service's sentence, or lead up to it; one that is not known stands for itself", () => {
    const t = translator("de", de, german);
    expect(t.problem({ code: "name_taken", message: "There is one called a." })).toBe(
      "Dieser Name ist vergeben. Wählen Sie einen anderen.",
    );
    expect(t.problem({ code: "build_failed", message: "gcc failed." })).toBe(
      "Die Umgebung ließ sich nicht bauen: gcc failed.",
    );
    expect(t.problem({ code: "brand_new", message: "Something new." })).toBe("Something new.");
    expect(translator("en", en, english).problem({ code: "name_taken", message: "Taken." })).toBe("Taken.");
  });
});

describe("the sentences of the service", () => {
  const t = translator("de", de, german, said);

  it("are said by their code with figures, moments and errors as the language has them", () => {
    const values = { path: "/srv", purpose: "data", free: "39.1", total: "252", share: "15.5" };
    expect(t.said({ code: "disk.room", values }, "The disk…")).toBe(
      "Auf dem Datenträger von /srv (data) sind 39,1 GB von 252 GB frei (15,5 %).",
    );
    const at = "2026-01-02 03:04:05 UTC";
    expect(t.said({ code: "background.ok", values: { task: "uses", at } }, "")).toMatch(
      /uses ist zuletzt am 0?2\.0?1\.(20)?26, \d\d:04:05 gelungen/,
    );
    const problem = { problem: "database_unavailable", said: "disk I/O error" };
    expect(t.said({ code: "database.problem", values: problem }, "")).toBe(
      "Die Datenbank des Dienstes antwortet nicht: disk I/O error",
    );
    expect(t.remedy({ code: "engine.silent", values: {} }, "Start it.")).toContain("nixws node");
  });

  it("say in German what is told by its code within another, and the words of states in it", () => {
    const near = { code: "refused.near", values: { first: "a", last: "b" } };
    const refused = {
      code: "refused.template_near",
      values: { name: "c", near: "a or b" },
      parts: { near },
    };
    const text = "Die Vorlage c gibt es nicht. Meinten Sie a oder b?";
    const message = "The template c does not exist. Did you mean a or b?";
    expect(t.problem({ code: "unknown_template", message, said: refused })).toBe(text);
    const values = { problem: "unknown_template", said: message };
    expect(t.said({ code: "why.failed", values, parts: { said: refused } }, "")).toBe(
      `Ein Schritt ist fehlgeschlagen und wurde aufgegeben. ${text}`,
    );
    const running = { code: "refused.resume", values: { name: "a", status: "running" } };
    expect(t.problem({ code: "wrong_state", message: "Workspace a is running.", said: running })).toContain(
      "Workspace a: läuft.",
    );
    const floor = { code: "refused.mode", values: { mode: "open", floor: "locked" } };
    expect(t.problem({ code: "beyond_floor", message: "", said: floor })).toContain(
      "höchstens Abgeschlossen",
    );
    expect(translator("en", en, english).problem({ code: "unknown_template", message, said: refused })).toBe(
      message,
    );
  });

  it("show no English where the sentence within has a code", () => {
    const codes = Object.keys(said.sentences);
    const quoting = codes.filter((code) => said.sentences[code]?.includes("{said}"));
    expect(quoting.length).toBeGreaterThan(15);
    for (const inner of codes.filter((code) => /^(refused|login|task|disk)\./.test(code))) {
      const part = { code: inner, values: {} };
      for (const code of quoting) {
        const values = { problem: "wrong_state", said: "ENGLISH" };
        expect(t.said({ code, values, parts: { said: part } }, "ENGLISH"), `${code} ${inner}`).not.toContain(
          "ENGLISH",
        );
      }
      expect(t.problem({ code: "wrong_state", message: "ENGLISH", said: part })).not.toContain("ENGLISH");
    }
  });

  it("stand for themselves where no code or an unknown one comes, and in English", () => {
    expect(t.said(null, "Something.")).toBe("Something.");
    expect(t.said({ code: "brand.new", values: {} }, "Something new.")).toBe("Something new.");
    const ok = { code: "database.ok", values: {} };
    expect(translator("en", en, english).said(ok, "The database stores.")).toBe("The database stores.");
  });
});
