import { keptStore } from "../../../shared/Store";
import { LAYOUTS, type Layout } from "./filter/address";

const isLayout = (value: unknown): value is Layout => LAYOUTS.includes(value as Layout);

/** How this browser lays the list out where an address does not say. */
export const layoutStore = keptStore<Layout>("nixws.layout", "table", isLayout);
