import { useQuery } from "@tanstack/react-query";
import { useParams, useRouter } from "@tanstack/react-router";
import { type KeyboardEvent, useId, useMemo, useState } from "react";
import { type Command, type CommandScope, groupText } from "../api/commands";
import { useVerb } from "../api/mutations";
import { sessionQuery, workspacesQuery } from "../api/queries";
import { useT } from "../shared/i18n/messages";
import { useStore } from "../shared/Store";
import { forgetFocus } from "../ui/focus";
import { Modal } from "../ui/Modal";
import { commandsOf, grouped, noteCommand, recent } from "./commands";
import { useNewWorkspace } from "./useNewWorkspace";

interface CommandPaletteProps {
  onClose: () => void;
  onHelp: () => void;
}

function useCommands(onHelp: () => void): Command[] {
  const t = useT();
  const router = useRouter();
  const create = useNewWorkspace();
  const { mutate } = useVerb();
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  const { data: session = null } = useQuery(sessionQuery);
  const { workspaceId } = useParams({ strict: false });
  const scope: CommandScope = {
    t,
    workspaces,
    here: workspaces.find((one) => one.id === workspaceId || one.name === workspaceId) ?? null,
    session,
    go: (path) => void router.navigate({ href: path }),
    perform: (verb, workspace) => mutate({ verb, workspace }),
    create,
  };
  return [
    ...commandsOf(scope),
    { id: "help", group: "actions", text: t("help.title"), keys: "?", run: onHelp },
  ];
}

/** Everything that can be gone to or done, by typing a part of its name. */
export default function CommandPalette({ onClose, onHelp }: CommandPaletteProps) {
  const t = useT();
  const id = useId();
  const [text, setText] = useState("");
  const [current, setCurrent] = useState(0);
  const commands = useCommands(onHelp);
  const recentIds = useStore(recent);
  // oxlint-disable-next-line react/exhaustive-deps -- made anew with every state of the page
  const groups = useMemo(() => grouped(commands, text, recentIds), [commands, text, recentIds]);
  const found = groups.flatMap((one) => one.commands);
  const run = (command: Command | undefined) => {
    if (!command || command.reason !== undefined) return;
    noteCommand(command.id);
    forgetFocus();
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setCurrent(Math.min(current + 1, found.length - 1));
    else if (event.key === "ArrowUp") setCurrent(Math.max(current - 1, 0));
    else if (event.key === "Home" && event.ctrlKey) setCurrent(0);
    else if (event.key === "End" && event.ctrlKey) setCurrent(found.length - 1);
    else if (event.key === "Enter") run(found[current]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal isOpen onClose={onClose} title={t("palette.title")} kind="palette">
      <input
        role="combobox"
        aria-expanded={found.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={found[current] && `${id}-${current}`}
        aria-label={t("palette.title")}
        placeholder={t("palette.hint")}
        autoComplete="off"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setCurrent(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div role="listbox" id={`${id}-list`} className="options" aria-label={t("palette.title")}>
        {groups.map(({ group, commands: own }) => (
          <div key={group} role="group" aria-labelledby={`${id}-${group}`}>
            <div id={`${id}-${group}`} className="options-group" role="presentation">
              {t(groupText(group))}
            </div>
            {own.map((command) => {
              const index = found.indexOf(command);
              return (
                <div
                  key={command.id}
                  id={`${id}-${index}`}
                  role="option"
                  tabIndex={-1}
                  aria-selected={index === current}
                  aria-disabled={command.reason !== undefined}
                  className="option"
                  // The focus stays where more is typed.
                  onMouseDown={(event) => event.preventDefault()}
                  onClick={() => run(command)}
                  onKeyDown={onKeyDown}
                  onPointerMove={() => setCurrent(index)}
                  ref={(element) => {
                    if (index === current) element?.scrollIntoView({ block: "nearest" });
                  }}
                >
                  <span>{command.text}</span>
                  {command.reason && <span className="option-end muted">{command.reason}</span>}
                  {command.keys && <kbd className="option-end">{command.keys}</kbd>}
                </div>
              );
            })}
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="muted">{t("palette.none")}</p>}
    </Modal>
  );
}
