import { X } from "lucide-react";
import { useState } from "react";
import { useBulkVerb } from "../api/mutations";
import { VERBS, type Workspace, type WorkspaceVerb } from "../api/types";
import { useT } from "../i18n/messages";
import { LazyDeleteDialog } from "./LazyDeleteDialog";
import type { Selection } from "./useSelection";

const OFFERED: readonly WorkspaceVerb[] = ["start", "stop", "delete"];
const NOTHING: readonly Workspace[] = [];

interface BulkBarProps {
  shown: readonly Workspace[];
  total: number;
  isFiltered: boolean;
  selection: Selection;
}

/** How many there are, how many are selected, and what can be done with all of those at once. */
export function BulkBar({ shown, total, isFiltered, selection }: BulkBarProps) {
  const t = useT();
  const bulk = useBulkVerb();
  const [asked, setAsked] = useState(NOTHING);
  const { items } = selection;
  const isAll = shown.length > 0 && items.length === shown.length;
  const run = (verb: WorkspaceVerb) => {
    if (verb === "delete") setAsked(items);
    else bulk.mutate({ verb, workspaces: items });
  };
  if (total === 0) return null;
  return (
    <div className="bulk-bar">
      <label className="row-check">
        <input
          type="checkbox"
          aria-label={t("list.selectAll")}
          checked={isAll}
          disabled={shown.length === 0}
          ref={(element) => {
            if (element) element.indeterminate = items.length > 0 && !isAll;
          }}
          onChange={() => selection.set(isAll ? [] : shown.map((one) => one.id))}
        />
      </label>
      {items.length === 0 ? (
        <span className="muted" role="status">
          {isFiltered
            ? t("list.countOf", { shown: shown.length, count: total })
            : t.count("list.count", total)}
        </span>
      ) : (
        <>
          <span role="status">{t.count("list.selected", items.length)}</span>
          {OFFERED.map((verb) => (
            <button
              key={verb}
              type="button"
              className={verb === "delete" ? "button button-small button-danger" : "button button-small"}
              disabled={bulk.isPending || !items.every((one) => VERBS[one.status].includes(verb))}
              onClick={() => run(verb)}
            >
              {t(`action.${verb}`)}
            </button>
          ))}
          <button
            type="button"
            className="icon-button"
            aria-label={t("list.clearSelection")}
            title={t("list.clearSelection")}
            onClick={() => selection.set([])}
          >
            <X aria-hidden size={16} />
          </button>
        </>
      )}
      <LazyDeleteDialog
        workspaces={asked}
        onClose={() => setAsked(NOTHING)}
        onDeleted={() => selection.set([])}
      />
    </div>
  );
}
