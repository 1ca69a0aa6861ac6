import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { workspacesQuery } from "../api/queries";
import { useT } from "../shared/i18n/messages";
import { relativeTime } from "../shared/format";
import { useNow } from "../shared/clock";
import { Modal } from "../ui/Modal";
import { openWork } from "../shared/openWork";
import { useStore } from "../shared/Store";
import { tasks } from "../api/tasks";

/** The history of what was asked for in this browser, and how it went. */
export default function TaskList({ onClose }: { onClose: () => void }) {
  const t = useT();
  return (
    <Modal isOpen onClose={onClose} title={t("tasks.title")} kind="drawer">
      <Unfinished onLeave={onClose} />
      <History />
    </Modal>
  );
}

/** What somebody has begun and left for another view, with the way back to it. */
function Unfinished({ onLeave }: { onLeave: () => void }) {
  const t = useT();
  const all = useStore(openWork);
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  if (all.length === 0) return null;
  return (
    <section className="open-work" aria-label={t("work.title")}>
      <h3>{t("work.title")}</h3>
      <ul className="task-list">
        {all.map((work) => {
          const name = workspaces.find((one) => one.id === work.workspaceId)?.name ?? work.workspaceId;
          return (
            <li key={work.id} className="task">
              <Link
                to={`/workspaces/$workspaceId/${work.view}`}
                params={{ workspaceId: work.workspaceId }}
                search={work.search}
                onClick={onLeave}
              >
                {t(work.text, { name: work.name })}
              </Link>{" "}
              <span className="muted">{t("work.in", { name })}</span>
              {work.fraction !== null && (
                <progress value={work.fraction} max={1} aria-label={t(work.text, { name: work.name })} />
              )}
            </li>
          );
        })}
      </ul>
    </section>
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
