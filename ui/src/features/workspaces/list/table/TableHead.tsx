import { ArrowDown, ArrowUp } from "lucide-react";
import { memo } from "react";
import { useT } from "../../../../shared/i18n/messages";
import { pressed, type SortKey, type Sorting } from "../filter/sorting";
import { type Column, sortOf } from "./columns";

interface TableHeadProps {
  columns: readonly Column[];
  hasAction: boolean;
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
  /** How many rows there are, and how many of them are selected. */
  count: number;
  selected: number;
  onAll: (isSelected: boolean) => void;
}

/** The heads of the columns: what they sort by, and the box that selects all. */
export const TableHead = memo(function TableHead(props: TableHeadProps) {
  const { columns, hasAction, sorting, onSort, count, selected, onAll } = props;
  const t = useT();
  const isAll = count > 0 && selected === count;
  const head = (text: string, key: SortKey | null, name: string) => {
    const isHere = key !== null && sorting.key === key;
    const Arrow = sorting.isReversed === (key === "name") ? ArrowDown : ArrowUp;
    return (
      <div
        key={name}
        role="columnheader"
        className={`head head-${name}`}
        // The order that is asked for first is from most to least, but for names.
        aria-sort={
          isHere ? (sorting.isReversed === (key === "name") ? "descending" : "ascending") : undefined
        }
      >
        {key ? (
          <button type="button" className="head-button" onClick={() => onSort(pressed(sorting, key))}>
            {text}
            {isHere && <Arrow aria-hidden size={12} />}
          </button>
        ) : (
          text
        )}
      </div>
    );
  };
  return (
    <div className="table-head" role="row" aria-rowindex={1}>
      <div role="columnheader" className="cell-check">
        <label className="row-check">
          <input
            type="checkbox"
            aria-label={t("list.selectAll")}
            checked={isAll}
            disabled={count === 0}
            ref={(element) => {
              if (element) element.indeterminate = selected > 0 && !isAll;
            }}
            onChange={() => onAll(!isAll)}
          />
        </label>
      </div>
      {head(t("list.column.name"), "name", "name")}
      {head(t("list.column.status"), "status", "status")}
      {columns.map((column) => head(t(`list.column.${column}`), sortOf(column), column))}
      {hasAction && (
        <div role="columnheader">
          <span className="visually-hidden">{t("list.column.action")}</span>
        </div>
      )}
      <div role="columnheader">
        <span className="visually-hidden">{t("app.menu")}</span>
      </div>
    </div>
  );
});
