import {
  Ellipsis,
  Folder,
  Pause,
  Play,
  RotateCw,
  Square,
  SquareTerminal,
  X,
  type LucideIcon,
} from "lucide-react";
import { memo, useState } from "react";
import { wakeVerb } from "../../../api/abilities";
import type { Status, Workspace, WorkspaceAction } from "../../../api/types";
import { useT } from "../../../shared/i18n/messages";
import { lazily } from "../../../shared/lazily";

interface StandInProps {
  label: string;
  tabIndex?: number;
  onClick?: () => void;
}

/** The same element each time: React does not look into it again. */
const DOTS = <Ellipsis aria-hidden size={16} />;

/** Stands for the menu until it is there. */
const standIn = ({ label, tabIndex, onClick }: StandInProps) => (
  <button
    type="button"
    className="icon-button"
    tabIndex={tabIndex}
    aria-label={label}
    aria-haspopup="menu"
    onClick={onClick}
  >
    {DOTS}
  </button>
);

const MoreActions = lazily(async () => (await import("./MoreActions")).default, {
  kind: "part",
  fallback: standIn,
});

const ORDER: readonly [WorkspaceAction, LucideIcon][] = [
  ["terminal", SquareTerminal],
  ["files", Folder],
  ["start", Play],
  ["resume", Play],
  ["stop", Square],
  ["restart", RotateCw],
  ["pause", Pause],
  ["cancel", X],
];

/** What is offered in a state; what cannot be done then says why. */
function actionsOf(status: Status) {
  const offered = new Set<WorkspaceAction>([
    ...(["terminal", "files", "stop", "restart", "pause"] as const),
    ...(wakeVerb(status) === "resume" ? (["resume"] as const) : (["start"] as const)),
    ...(status === "creating" ? (["cancel"] as const) : []),
  ]);
  return ORDER.filter(([action]) => offered.has(action)).map(([action, icon]) => ({ action, icon }));
}

interface MoreButtonProps {
  workspace: Workspace;
  tabIndex?: number;
  onAction: (action: WorkspaceAction, workspace: Workspace) => void;
}

/** Stands for the menu until it is wanted: a list of a thousand needs no thousand menus. */
export const MoreButton = memo(function MoreButton({ workspace, tabIndex = 0, onAction }: MoreButtonProps) {
  const t = useT();
  // A row may come to show another workspace: nobody has asked for that one's menu.
  const [wantedId, setWantedId] = useState("");
  const label = t("action.more", { name: workspace.name });
  if (wantedId !== workspace.id) {
    return standIn({ label, tabIndex, onClick: () => setWantedId(workspace.id) });
  }
  return (
    <MoreActions
      label={label}
      tabIndex={tabIndex}
      workspace={workspace}
      actions={actionsOf(workspace.status)}
      onAction={(action) => onAction(action, workspace)}
    />
  );
});
