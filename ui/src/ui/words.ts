import { createContext } from "react";

/** What primitives say: they know no catalogue of texts. */
export interface Words {
  close: string;
  cancel: string;
}

export const WordsContext = createContext<Words>({ close: "Close", cancel: "Cancel" });
