import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type RefObject } from "react";
import { STATUSES, type Workspace } from "../api/types";
import { useT } from "../i18n/messages";
import { filterOf, SORTS } from "./filter";

interface ListFiltersProps {
  inputRef: RefObject<HTMLInputElement | null>;
  text: string;
  onText: (text: string) => void;
  workspaces: readonly Workspace[];
}

/** What the list shows and in which order; everything of it stands in the address. */
export function ListFilters({ inputRef, text, onText, workspaces }: ListFiltersProps) {
  const t = useT();
  const navigate = useNavigate();
  const filter = filterOf(useSearch({ strict: false }));
  const templates = useMemo(
    () => [...new Set(workspaces.map((one) => one.template))].toSorted(),
    [workspaces],
  );
  const put = (name: "status" | "template" | "sort", value: string) =>
    void navigate({
      to: ".",
      replace: true,
      search: ({ [name]: _, ...rest }: Record<string, unknown>) =>
        value ? { ...rest, [name]: value } : rest,
    });
  return (
    <search className="list-filters">
      <input
        ref={inputRef}
        type="search"
        className="filter-text"
        aria-label={t("list.filter")}
        placeholder={t("list.filterHint")}
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onText("");
        }}
      />
      <label>
        <span>{t("list.status")}</span>
        <select value={filter.status} onChange={(event) => put("status", event.target.value)}>
          <option value="">{t("list.any")}</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {t(`status.${status}`)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>{t("list.template")}</span>
        <select value={filter.template} onChange={(event) => put("template", event.target.value)}>
          <option value="">{t("list.any")}</option>
          {templates.map((template) => (
            <option key={template}>{template}</option>
          ))}
        </select>
      </label>
      <label>
        <span>{t("list.sort")}</span>
        <select
          value={filter.sort}
          onChange={(event) => put("sort", event.target.value === "created" ? "" : event.target.value)}
        >
          {SORTS.map((sort) => (
            <option key={sort} value={sort}>
              {t(`list.sort.${sort}`)}
            </option>
          ))}
        </select>
      </label>
    </search>
  );
}
