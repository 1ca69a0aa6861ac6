import { abilitiesOf, mayCreate } from "../../api/abilities";
import { type Command, type CommandScope, partCommands } from "../../api/commands";
import { lastOpen } from "../../api/live";
import { openBeside, openPortPath } from "../../api/ports";
import type { Workspace } from "../../api/types";
import { addEnglish } from "../../shared/i18n/messages";
import { more } from "../../shared/i18n/more.en";

addEnglish(more);

const VERBS = ["start", "resume", "stop", "restart", "pause"] as const;
const PARTS = [
  ["overview", ""],
  ["packages", "/packages"],
  ["network", "/network"],
  ["metrics", "/metrics"],
  ["logs", "/logs"],
  ["settings", "/settings"],
] as const;

function verbsOf(scope: CommandScope, workspace: Workspace): Command[] {
  const { t, session, perform, here } = scope;
  const isHere = workspace === here;
  const abilities = abilitiesOf(workspace, session);
  return VERBS.flatMap((verb): Command[] => {
    const reason = abilities[verb];
    // Of another workspace only what can be done; of the one that is open also why not, but no way on that leads nowhere.
    if (reason !== null && (!isHere || verb === "resume")) return [];
    const action = t(`action.${verb}`);
    return [
      {
        id: `${verb}-${workspace.id}`,
        group: isHere ? "here" : "workspaces",
        text: isHere ? action : t("action.of", { action, name: workspace.name }),
        reason: reason === null ? undefined : t(reason),
        isMany: !isHere,
        run: () => perform(verb, workspace),
      },
    ];
  });
}

/** The way to each page that answers in a workspace, as far as it was told. */
const portsOf = ({ t, here }: CommandScope, workspace: Workspace): Command[] =>
  (workspace.status === "running" ? (lastOpen(workspace.id)?.ports ?? []) : []).map((port) => ({
    id: `port-${port}-${workspace.id}`,
    group: workspace === here ? "here" : "workspaces",
    text: t("ports.openOf", { port, name: workspace.name }),
    isMany: workspace !== here,
    run: () => openBeside(openPortPath(workspace.id, port, "")),
  }));

/** What can be done with workspaces and where they lead. */
export function workspaceCommands(scope: CommandScope): readonly Command[] {
  const { t, workspaces, here, go, create, session } = scope;
  return [
    ...(here ? verbsOf(scope, here) : []),
    ...workspaces.flatMap((one) => portsOf(scope, one)),
    ...PARTS.flatMap(([part, path]) => partCommands(scope, { id: part, text: t(`detail.${part}`), path })),
    ...(here && abilitiesOf(here, session).delete !== "cannot.shared"
      ? [
          {
            id: `delete-${here.id}`,
            group: "here" as const,
            text: `${t("action.delete")}…`,
            run: () => go(`/workspaces/${here.id}/settings#delete`),
          },
        ]
      : []),
    ...workspaces.map((one): Command => ({
      id: `go-${one.id}`,
      group: "workspaces",
      text: t("palette.goTo", { name: one.name }),
      run: () => go(`/workspaces/${one.id}`),
    })),
    ...workspaces.filter((one) => one !== here).flatMap((one) => verbsOf(scope, one)),
    ...(mayCreate(session)
      ? [{ id: "create", group: "actions" as const, text: t("list.create"), keys: "c", run: create }]
      : []),
    { id: "list", group: "pages", text: t("nav.workspaces"), run: () => go("/workspaces") },
  ];
}
