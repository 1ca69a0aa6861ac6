import { createContext } from "react";

/** How reading the list goes; beside the list's props, which the specification fixes. */
export const ListStateContext = createContext<{ loading: boolean; error: string | null }>({
  loading: false,
  error: null,
});
