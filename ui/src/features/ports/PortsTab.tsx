import "./ports.css";
import { Copy, ExternalLink, Eye } from "lucide-react";
import { useState } from "react";
import { useDetail } from "../../api/detail";
import { wakeVerb } from "../../api/abilities";
import { useVerb } from "../../api/mutations";
import { openPath, type Port, usePorts } from "../../api/ports";
import { useNow } from "../../shared/clock";
import { dateTime, relativeTime } from "../../shared/format";
import { useT } from "../../shared/i18n/messages";
import { lazily } from "../../shared/lazily";
import { tell } from "../../shared/toasts";
import { Badge } from "../../ui/Badge";
import { Button, buttonClass } from "../../ui/Button";
import { IconButton } from "../../ui/IconButton";
import { type Column, Table } from "../../ui/Table";

const VisibilityDialog = lazily(async () => (await import("./VisibilityDialog")).VisibilityDialog, {
  kind: "dialog",
});

/** What listens in a workspace, who may see it, and the way to open it. */
export function PortsTab() {
  const t = useT();
  const detail = useDetail();
  const verb = useVerb();
  const isRunning = detail.status === "running";
  const ports = usePorts(detail.id, true);
  const [chosen, setChosen] = useState<Port | null>(null);
  const wake = wakeVerb(detail.status);
  return (
    <section className="panel">
      <h3>{t("ports.title")}</h3>
      {!isRunning && (
        <p>
          {t("ports.stopped", { status: t(`status.${detail.status}`) })}{" "}
          {wake && (
            <Button isSmall onClick={() => verb.mutate({ verb: wake, workspace: detail })}>
              {t(`action.${wake}`)}
            </Button>
          )}
        </p>
      )}
      {ports?.length === 0 && isRunning && <p className="muted">{t("ports.none")}</p>}
      {ports && ports.length > 0 && <PortTable ports={ports} onShow={setChosen} />}
      <p className="field-hint">{t("ports.hint")}</p>
      {chosen && <VisibilityDialog workspaceId={detail.id} port={chosen} onClose={() => setChosen(null)} />}
    </section>
  );
}

function PortTable({ ports, onShow }: { ports: readonly Port[]; onShow: (port: Port) => void }) {
  const t = useT();
  const now = useNow();
  const columns: Column<Port>[] = [
    { key: "port", head: t("ports.port"), isFigure: true, cell: (one) => one.port },
    {
      key: "program",
      head: t("ports.program"),
      cell: (one) => (one.listening ? one.program || t("ports.unknown") : t("ports.silent")),
    },
    {
      key: "since",
      head: t("ports.since"),
      cell: (one) =>
        one.since && (
          <time dateTime={one.since} title={dateTime(one.since, t.locale)}>
            {relativeTime(one.since, now, t.locale)}
          </time>
        ),
    },
    {
      key: "visibility",
      head: t("ports.visibility"),
      cell: (one) => one.url && <Badge>{t(`ports.${one.visibility}`)}</Badge>,
    },
    { key: "actions", head: "", isWhole: true, cell: (one) => <Actions port={one} onShow={onShow} /> },
  ];
  return <Table label={t("ports.title")} columns={columns} rows={ports} keyOf={(one) => one.port} />;
}

function Actions({ port, onShow }: { port: Port; onShow: (port: Port) => void }) {
  const t = useT();
  const { url, port: number } = port;
  if (!url) return <span className="muted">{t("ports.ssh")}</span>;
  const copy = () => void navigator.clipboard.writeText(url).then(() => tell("success", t("app.copied")));
  return (
    <span className="port-actions">
      {port.listening && (
        <a className={buttonClass("plain", true)} href={openPath(url)} target="_blank" rel="noreferrer">
          <ExternalLink aria-hidden size={14} />
          {t("ports.open", { port: number })}
        </a>
      )}
      <IconButton icon={Copy} label={t("ports.copy", { port: number })} onClick={copy} />
      <IconButton icon={Eye} label={t("ports.show", { port: number })} onClick={() => onShow(port)} />
    </span>
  );
}
