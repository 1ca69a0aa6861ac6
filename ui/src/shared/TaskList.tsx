import { Link } from "@tanstack/react-router";
import { useT } from "../i18n/messages";
import { relativeTime } from "./format";
import { useNow } from "./clock";
import { Modal } from "./Modal";
import { useStore } from "./Store";
import { tasks } from "./tasks";

/** The history of what was asked for in this browser, and how it went. */
export default function TaskList({ onClose }: { onClose: () => void }) {
  const t = useT();
  return (
    <Modal isOpen onClose={onClose} title={t("tasks.title")} kind="drawer">
      <History />
    </Modal>
  );
}

function History() {
  const t = useT();
  const all = useStore(tasks);
  const now = useNow();
  if (all.length === 0) return <p className="muted">{t("tasks.none")}</p>;
  return (
    <>
      <ul className="task-list">
        {all.map((task) => (
          <li key={task.id} className={`task task-${task.state}`}>
            <p>
              <span>{task.title}</span>
              <span className="task-state">{t(`tasks.state.${task.state}`)}</span>
            </p>
            {task.message && <p className="field-problem">{task.message}</p>}
            <p className="muted">
              {relativeTime(task.startedAt, now, t.locale)}
              {task.workspaceId && (
                <>
                  {" · "}
                  <Link to="/workspaces/$workspaceId/logs" params={{ workspaceId: task.workspaceId }}>
                    {t("action.logs")}
                  </Link>
                </>
              )}
            </p>
          </li>
        ))}
      </ul>
      <button type="button" className="button" onClick={() => tasks.set([])}>
        {t("tasks.clear")}
      </button>
    </>
  );
}
