import { keptStore } from "./Store";

export const THEMES = ["light", "dark", "system"] as const;
export type Theme = (typeof THEMES)[number];

const isTheme = (value: unknown): value is Theme => THEMES.includes(value as Theme);

/** What was chosen; `theme.css` knows only light and dark. */
export const themeStore = keptStore<Theme>("nixws.theme", "system", isTheme);

/** Keeps the page's theme equal to what was chosen, or to the system's. */
export function followTheme(): void {
  const light = matchMedia("(prefers-color-scheme: light)");
  const apply = () => {
    const chosen = themeStore.get();
    document.documentElement.dataset.theme =
      chosen === "system" ? (light.matches ? "light" : "dark") : chosen;
  };
  light.addEventListener("change", apply);
  themeStore.subscribe(apply);
  apply();
}
