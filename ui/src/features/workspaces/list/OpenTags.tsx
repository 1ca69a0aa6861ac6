import type { Workspace } from "../../../api/types";
import { useT } from "../../../shared/i18n/messages";
import { Badge } from "../../../ui/Badge";
import { useRowOpen } from "./usage";

/** What is open in a workspace: its terminals, and the first of the ports on which a page may answer. */
export function OpenTags({ workspace }: { workspace: Workspace }) {
  const t = useT();
  const { terminals, ports } = useRowOpen(workspace) ?? { terminals: 0, ports: [] };
  const [port] = ports;
  return (
    <>
      {!!terminals && (
        <Badge>{terminals === 1 ? t("list.terminal") : t("list.terminals", { count: terminals })}</Badge>
      )}
      {port && <Badge>{t(ports.length > 1 ? "list.ports" : "list.port", { port })}</Badge>}
    </>
  );
}
