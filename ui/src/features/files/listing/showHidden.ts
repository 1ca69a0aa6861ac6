import { keptStore } from "../../../shared/Store";

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

/** Whether names that begin with a dot are shown, and looked for. */
export const showHidden = keptStore("nixws.hiddenFiles", false, isBoolean);
