import {
  CircleAlert,
  CirclePause,
  CirclePlay,
  CircleStop,
  LoaderCircle,
  Trash2,
  type LucideIcon,
} from "lucide-react";
import { memo } from "react";
import type { Status } from "../../api/types";
import { useT } from "../../shared/i18n/messages";

const ICONS: Record<Status, LucideIcon> = {
  running: CirclePlay,
  stopped: CircleStop,
  paused: CirclePause,
  error: CircleAlert,
  deleting: Trash2,
  creating: LoaderCircle,
  starting: LoaderCircle,
  stopping: LoaderCircle,
};

/** A status as icon, word and colour: none of the three alone has to tell it. */
export const StatusWord = memo(function StatusWord({ status }: { status: Status }) {
  const t = useT();
  const Icon = ICONS[status];
  return (
    <span className={`status status-${status}`}>
      <Icon aria-hidden size={15} className={Icon === LoaderCircle ? "spinning" : undefined} />
      {t(`status.${status}`)}
    </span>
  );
});
