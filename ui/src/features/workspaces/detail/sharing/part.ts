import { useQuery } from "@tanstack/react-query";
import { useWatch } from "../../../../api/live";
import { type TerminalInfo, terminalsQuery } from "../../../../api/terminals";
import type { Translate } from "../../../../shared/i18n/messages";

export const KINDS = ["whole", "terminal", "port"] as const;

/** What is to be shared, as far as it is filled in. */
export interface Part {
  kind: (typeof KINDS)[number];
  /** Id of the terminal; empty for the first one. */
  terminal: string;
  port: string;
}

export const WHOLE: Part = { kind: "whole", terminal: "", port: "" };

/** What the rules below need of a terminal. */
export type Named = Pick<TerminalInfo, "id" | "name" | "title" | "process" | "cwd">;

const MOST_PORT = 65_535;
const NUMBER = /^\d{1,5}$/;

/** Whether a text is the number of a port. */
export const isPort = (text: string): boolean =>
  NUMBER.test(text) && Number(text) >= 1 && Number(text) <= MOST_PORT;

/** The part in the words of the service; null while it is not filled in well. */
export function wordOf({ kind, terminal, port }: Part, terminals: readonly Named[]): string | null {
  if (kind === "whole") return "";
  if (kind === "port") return isPort(port) ? `port:${Number(port)}` : null;
  const chosen = terminals.find((one) => one.id === terminal) ?? terminals[0];
  return chosen ? `terminal:${chosen.id}` : null;
}

/** What each terminal is called: as its tab says; where several are called the same, with what tells them apart. */
export function callTerminals(terminals: readonly Named[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const shortOf = ({ name, title, process }: Named) => name || title || process || "shell";
  for (const one of terminals) {
    const name = shortOf(one);
    const same = terminals.filter((other) => shortOf(other) === name);
    const there = same.filter((other) => other.cwd === one.cwd);
    const words = [
      ...(same.length > 1 && there.length < same.length ? [one.cwd] : []),
      ...(there.length > 1 ? [String(there.indexOf(one) + 1)] : []),
    ];
    const apart = words.filter(Boolean).join(", ");
    names.set(one.id, apart ? `${name} (${apart})` : name);
  }
  return names;
}

/** What a share is of, by the word of the service. */
export function partText(t: Translate, word: string, names: ReadonlyMap<string, string>): string {
  const [kind, id = ""] = word.split(":");
  if (kind === "port") return t("share.of.port", { port: id });
  return kind === "terminal" ? t("share.of.terminal", { name: names.get(id) ?? id }) : t("share.whole");
}

const NONE: readonly TerminalInfo[] = [];

/** The terminals that are open in a workspace; undefined until they are known. */
export function useOpenTerminals(
  workspaceId: string,
  isRunning: boolean,
): readonly TerminalInfo[] | undefined {
  useWatch("terminals", workspaceId, isRunning);
  const { data, isError } = useQuery({ ...terminalsQuery(workspaceId), enabled: isRunning });
  const open = data?.filter((one) => one.exit_status === null);
  return isRunning && !isError ? open : NONE;
}
