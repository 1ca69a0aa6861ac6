import { abilitiesOf } from "../../api/abilities";
import { type Command, type CommandScope, partCommands } from "../../api/commands";

/** The way to each workspace's files. */
export function fileCommands(scope: CommandScope): readonly Command[] {
  const { t, session } = scope;
  return partCommands(scope, {
    id: "files",
    text: t("action.files"),
    path: "/files",
    reason: (workspace) => {
      const reason = abilitiesOf(workspace, session).files;
      return reason === null ? undefined : t(reason);
    },
  });
}
