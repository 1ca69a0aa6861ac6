import { type Locale, localeStore, useT } from "../../shared/i18n/messages";
import { useStore } from "../../shared/Store";
import { type Theme, THEMES, themeStore } from "../../shared/theme";
import { Field } from "../../ui/Field";

const LOCALES = ["en", "de"] as const;

/** Theme and language, of this browser. */
export function Appearance() {
  const t = useT();
  const theme = useStore(themeStore);
  const locale = useStore(localeStore);
  return (
    <section className="card pad" aria-label={t("me.appearance")}>
      <h2>{t("me.appearance")}</h2>
      <div className="form-grid">
        <Field label={t("theme.label")}>
          {(props) => (
            <select {...props} value={theme} onChange={({ target }) => themeStore.set(target.value as Theme)}>
              {THEMES.map((one) => (
                <option key={one} value={one}>
                  {t(`theme.${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t("locale.label")}>
          {(props) => (
            <select
              {...props}
              value={locale}
              onChange={({ target }) => localeStore.set(target.value as Locale)}
            >
              {LOCALES.map((one) => (
                <option key={one} value={one} lang={one}>
                  {t(`locale.${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
    </section>
  );
}
