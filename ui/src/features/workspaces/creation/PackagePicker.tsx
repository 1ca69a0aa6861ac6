import { useQueries, useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type KeyboardEvent, useDeferredValue, useId, useState } from "react";
import { reasonOf } from "../../../api/mutations";
import { healthQuery, packagesQuery } from "../../../api/queries";
import { useT } from "../../../shared/i18n/messages";
import { packageSetName } from "../../../shared/i18n/names";
import { Field } from "../../../ui/Field";
import { bytes } from "../../../shared/format";
import { isPackageName } from "./validation";

interface PackagePickerProps {
  chosen: readonly string[];
  onChange: (packages: readonly string[]) => void;
  /** What stands in the search, kept by who shows this. */
  search: string;
  onSearch: (text: string) => void;
  problem?: string | undefined;
  /** What is there without being chosen. */
  base?: readonly string[];
}

const NONE: readonly string[] = [];

/** Those of the names that the package set does not have; a name within another one is left to the build. */
export function useUnknown(names: readonly string[]): readonly string[] {
  const answers = useQueries({
    queries: names.map((name) => ({ ...packagesQuery(name), enabled: !name.includes(".") })),
  });
  return names.filter((name, index) => {
    const { data, isPlaceholderData } = answers[index] ?? {};
    return data && !isPlaceholderData && !data.packages.some((one) => one.name === name);
  });
}

/** Chosen packages as chips, and a search in the package set that adds to them. */
export function PackagePicker({
  chosen,
  onChange,
  search: text,
  onSearch: setText,
  problem,
  base = NONE,
}: PackagePickerProps) {
  const t = useT();
  const id = useId();
  const [isOpen, setIsOpen] = useState(false);
  const [current, setCurrent] = useState(-1);
  const [isWrong, setIsWrong] = useState(false);
  const wanted = useDeferredValue(text.trim());
  const { data, failureReason } = useQuery({ ...packagesQuery(wanted), enabled: wanted !== "" });
  const { data: health } = useQuery(healthQuery);
  const found = (data?.packages ?? []).filter((one) => !chosen.includes(one.name));
  const unknown = useUnknown(chosen);
  const doubled = chosen.filter((name) => base.includes(name));
  const told =
    unknown.length > 0
      ? t("create.packageUnknown", { names: unknown.join(", ") })
      : doubled.length > 0
        ? t("create.packageThere", { names: doubled.join(", ") })
        : undefined;
  const isShown = isOpen && wanted !== "";
  const add = (name: string) => {
    if (!isPackageName(name)) {
      setIsWrong(true);
      return;
    }
    if (chosen.includes(name)) setText("");
    else onChange([...chosen, name]);
    setCurrent(-1);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setCurrent(Math.min(current + 1, found.length - 1));
    else if (event.key === "ArrowUp") setCurrent(Math.max(current - 1, -1));
    else if (event.key === "Enter" && text.trim()) add(found[current]?.name ?? text.trim());
    else if (event.key === "Escape" && isShown) setIsOpen(false);
    else if (event.key === "Backspace" && text === "" && chosen.length > 0) onChange(chosen.slice(0, -1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="package-search">
      <Field
        label={t("create.packages")}
        hint={t("create.packagesHint", { set: packageSetName(t, health?.package_set ?? "") })}
        problem={isWrong ? t("create.packageInvalid") : (problem ?? told)}
      >
        {(field) => (
          <>
            <ul className="chips">
              {chosen.map((name) => (
                <li key={name} className="chip" data-unknown={unknown.includes(name)}>
                  {name}
                  <button
                    type="button"
                    className="icon-button"
                    aria-label={t("create.remove", { name })}
                    onClick={() => onChange(chosen.filter((one) => one !== name))}
                  >
                    <X aria-hidden size={14} />
                  </button>
                </li>
              ))}
            </ul>
            <input
              {...field}
              role="combobox"
              aria-expanded={isShown}
              aria-controls={`${id}-list`}
              aria-autocomplete="list"
              aria-activedescendant={isShown && found[current] ? `${id}-${current}` : undefined}
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={(event) => {
                setText(event.target.value);
                setIsOpen(true);
                setIsWrong(false);
                setCurrent(-1);
              }}
              onFocus={() => setIsOpen(true)}
              onBlur={() => setIsOpen(false)}
              onKeyDown={onKeyDown}
            />
            {isShown && (
              <div
                className="options"
                ref={(element) => element?.scrollIntoView({ block: "nearest" })}
                role="listbox"
                id={`${id}-list`}
                aria-label={t("create.packages")}
              >
                {found.map((one, index) => (
                  <div
                    key={one.name}
                    id={`${id}-${index}`}
                    role="option"
                    tabIndex={-1}
                    aria-selected={index === current}
                    className="option"
                    onPointerDown={(event) => {
                      event.preventDefault();
                      add(one.name);
                    }}
                  >
                    <strong>{one.name}</strong>
                    {base.includes(one.name) && <span className="muted">{t("create.inTemplate")}</span>}
                    <span className="muted">{one.version}</span>
                    {one.size !== null && (
                      <span className="option-size muted">{bytes(one.size, t.locale)}</span>
                    )}
                    <span className="option-about muted">{one.description}</span>
                  </div>
                ))}
                {failureReason && <p className="muted option">{reasonOf(failureReason)}</p>}
                {data && !failureReason && found.length === 0 && (
                  <p className="muted option">{t("create.noPackage")}</p>
                )}
              </div>
            )}
          </>
        )}
      </Field>
    </div>
  );
}
