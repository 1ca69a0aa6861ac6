import type { KeptInput } from "./InputQueue";

interface KeptTerminal {
  workspaceId: string;
  terminalId: string;
  input: KeptInput;
}

const KEY = "nixws.typed";

/** What was typed and has not arrived, between two lives of one page: in this window's memory, which ends with it. */
export const keptTyped = {
  isThere: (): boolean => sessionStorage.getItem(KEY) !== null,

  set(page: string, terminals: readonly KeptTerminal[]): void {
    try {
      if (terminals.length === 0) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, JSON.stringify({ page, terminals }));
    } catch {
      // A forbidden storage costs what was not delivered, as it would without one; leaving the page has asked.
    }
  },

  /** What was kept, once; a duplicated window has a copy of the other one's memory, which delivers it itself. */
  take(page: string): readonly KeptTerminal[] {
    const text = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    if (!text) return [];
    const kept = JSON.parse(text) as { page: string; terminals: KeptTerminal[] };
    return kept.page === page ? kept.terminals : [];
  },
};
