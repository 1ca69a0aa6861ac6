import { CircleAlert, CircleCheck, Info, type LucideIcon, TriangleAlert } from "lucide-react";
import type { Health } from "../../api/types";
import { addEnglish, type Translate, useT } from "../../shared/i18n/messages";
import { health as texts } from "../../shared/i18n/health.en";
import { type Column, Table } from "../../ui/Table";
import { checkName } from "./checkName";

addEnglish(texts);

type Finding = Health["items"][number];
type Severity = Finding["severity"];

/** The worst first, each with its sign. */
const SEVERITIES: readonly [Severity, LucideIcon, string][] = [
  ["critical", CircleAlert, "status-error"],
  ["warning", TriangleAlert, "status-stopped"],
  ["notice", Info, "status-paused"],
  ["ok", CircleCheck, "status-running"],
];

const rank = ({ severity }: Finding) => SEVERITIES.findIndex(([one]) => one === severity);

const sentenceOf = (t: Translate, { said, message }: Finding) => t.said(said, message);
const remedyOf = (t: Translate, { said, remedy }: Finding) => remedy && t.remedy(said, remedy);

/** All findings as text, for a message to somebody who can help. */
export function asText(t: Translate, health: Health): string {
  const lines = health.items
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap((one) => [
      `[${one.severity}] ${one.said.code}: ${sentenceOf(t, one)}`,
      ...(one.remedy ? [`  ${t("admin.remedy", { remedy: remedyOf(t, one) })}`] : []),
    ]);
  return [`NixOS Workspaces ${health.version} · ${health.package_set}`, ...lines, ""].join("\n");
}

/** What the service's own checks found, by how urgent it is: with stable codes, and what to do. */
export function Findings({ health }: { health: Health }) {
  const t = useT();
  const columns: Column<Finding>[] = [
    {
      key: "check",
      head: t("admin.check"),
      cell: (one) => (
        <>
          <p>{checkName(t, one.code)}</p>
          <code className="muted">{one.said.code}</code>
        </>
      ),
    },
    {
      key: "finding",
      head: t("admin.finding"),
      cell: (one) => (
        <>
          <p>{sentenceOf(t, one)}</p>
          {one.remedy && <p className="muted">{t("admin.remedy", { remedy: remedyOf(t, one) })}</p>}
        </>
      ),
    },
  ];
  return SEVERITIES.map(([severity, Icon, colour]) => {
    const rows = health.items.filter((one) => one.severity === severity);
    if (rows.length === 0) return null;
    const title = t(`admin.severity.${severity}`);
    return (
      <section key={severity} className="card">
        <h2 className="pad">
          <span className={`status ${colour}`}>
            <Icon aria-hidden size={16} />
            {title}
          </span>
        </h2>
        <Table label={title} columns={columns} rows={rows} keyOf={({ code, said }) => code + said.code} />
      </section>
    );
  });
}
