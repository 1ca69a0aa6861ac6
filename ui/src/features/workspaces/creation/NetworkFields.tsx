import { useQuery } from "@tanstack/react-query";
import { boundsQuery, entryOf, isWider, type Mode, MODES, type WantedEntry } from "../../../api/network";
import type { START } from "../../../shared/creationDraft";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { more } from "../../../shared/i18n/more.en";
import { Field } from "../../../ui/Field";

addEnglish(more);

type Filled = Pick<typeof START, "network" | "allow">;

/** The modes in which a list of its own has an effect; without a mode the service's default may be one. */
const LISTED: ReadonlySet<string> = new Set(["", "balanced", "locked"]);

/** The part of a request that is about the network: nothing of it where the service's default is wanted. */
export function networkOf({ network, allow }: Filled): { network?: Mode; allow?: WantedEntry[] } {
  const entries = LISTED.has(network) ? allow.split(/\s+/).map(entryOf) : [];
  const wanted = entries.filter((one) => one !== null);
  return { ...(network && { network: network as Mode }), ...(wanted.length > 0 && { allow: wanted }) };
}

interface NetworkFieldsProps {
  form: Filled;
  onChange: (change: Partial<Filled>) => void;
  /** What is wrong with the mode, and with the list. */
  problems: { network: string | undefined; allow: string | undefined };
}

/** What the new workspace may reach: the modes that the administrator's floor leaves, and a list where one counts. */
export function NetworkFields({ form, onChange, problems }: NetworkFieldsProps) {
  const t = useT();
  const { data: bounds } = useQuery(boundsQuery);
  const mode = (form.network || bounds?.default) as Mode | undefined;
  const floor = bounds && bounds.floor.mode !== "open" ? bounds.floor : null;
  const isBeyond = (one: Mode) => floor !== null && isWider(one, floor.mode);
  const bounded = floor && `${t("network.floor", { mode: t(`network.mode.${floor.mode}`) })} ${floor.reason}`;
  const usual = bounds && t(`network.mode.${bounds.default}`);
  return (
    <>
      <Field
        label={t("network.mode")}
        hint={[mode && t(`network.means.${mode}`), bounded].filter(Boolean).join(" ")}
        problem={problems.network}
      >
        {(field) => (
          <select
            {...field}
            value={form.network}
            onChange={(event) => onChange({ network: event.target.value })}
          >
            <option value="">{t("create.networkUsual", { mode: usual ?? "…" })}</option>
            {MODES.map((one) => (
              <option key={one} value={one} disabled={isBeyond(one)}>
                {t(`network.mode.${one}`)}
              </option>
            ))}
          </select>
        )}
      </Field>
      {(mode === "balanced" || mode === "locked") && (
        <Field label={t("network.allow")} hint={t("create.networkAllowHint")} problem={problems.allow}>
          {(field) => (
            <input
              {...field}
              autoComplete="off"
              spellCheck={false}
              placeholder="packages.example:443 git.example:22,443"
              value={form.allow}
              onChange={(event) => onChange({ allow: event.target.value })}
            />
          )}
        </Field>
      )}
    </>
  );
}
