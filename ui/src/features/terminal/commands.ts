import { abilitiesOf } from "../../api/abilities";
import { type Command, type CommandScope, partCommands } from "../../api/commands";

/** The way to each workspace's terminals. */
export function terminalCommands(scope: CommandScope): readonly Command[] {
  const { t, session } = scope;
  return partCommands(scope, {
    id: "terminal",
    text: t("action.terminal"),
    path: "/terminal",
    reason: (workspace) => {
      const reason = abilitiesOf(workspace, session).terminal;
      return reason === null ? undefined : t(reason);
    },
  });
}
