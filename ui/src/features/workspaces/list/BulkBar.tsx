import { X } from "lucide-react";
import { useState } from "react";
import { useAbilities } from "../../../api/abilities";
import { useBulkVerb } from "../../../api/mutations";
import type { Workspace, WorkspaceVerb } from "../../../api/types";
import { useT } from "../../../shared/i18n/messages";
import { Button } from "../../../ui/Button";
import { IconButton } from "../../../ui/IconButton";
import { LazyDeleteDialog } from "../LazyDeleteDialog";
import type { Selection } from "./useSelection";

const OFFERED = ["start", "stop", "delete"] as const;
const NOTHING: readonly Workspace[] = [];

interface BulkBarProps {
  shown: readonly Workspace[];
  selection: Selection;
}

/** How many are selected, and what can be done with all of those at once. */
export function BulkBar({ shown, selection }: BulkBarProps) {
  const t = useT();
  const bulk = useBulkVerb();
  const why = useAbilities();
  const [asked, setAsked] = useState(NOTHING);
  const { items } = selection;
  const run = (verb: WorkspaceVerb) => {
    if (verb === "delete") setAsked(items);
    else bulk.mutate({ verb, workspaces: items });
  };
  return (
    <div className="bulk-bar" role="toolbar" aria-label={t("bulk.title")}>
      <span role="status">{t.count("list.selected", items.length)}</span>
      {OFFERED.map((verb) => {
        const cannot = items.filter((one) => why(one, verb)).length;
        return (
          <Button
            key={verb}
            isSmall
            className={verb === "delete" ? "bulk-delete" : undefined}
            disabled={bulk.isPending}
            reason={cannot > 0 ? t.count("bulk.cannot", cannot) : undefined}
            onClick={() => run(verb)}
          >
            {t(`action.${verb}`)}
          </Button>
        );
      })}
      {items.length < shown.length && (
        <Button isSmall kind="quiet" onClick={() => selection.set(shown.map((one) => one.id))}>
          {t("list.selectAllOf", { count: shown.length.toLocaleString(t.locale) })}
        </Button>
      )}
      <IconButton icon={X} label={t("list.clearSelection")} onClick={() => selection.set([])} />
      <LazyDeleteDialog
        workspaces={asked}
        onClose={() => setAsked(NOTHING)}
        onDeleted={() => selection.set([])}
      />
    </div>
  );
}
