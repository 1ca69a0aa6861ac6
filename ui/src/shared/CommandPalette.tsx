import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useId, useState } from "react";
import { useVerb } from "../api/mutations";
import { workspacesQuery } from "../api/queries";
import { VERBS } from "../api/types";
import { localeStore, useT } from "../i18n/messages";
import { type Entry, matching } from "./entries";
import { Modal } from "./Modal";
import { THEMES, themeStore } from "./theme";

interface CommandPaletteProps {
  onClose: () => void;
  onHelp: () => void;
}

function useEntries(onHelp: () => void): Entry[] {
  const t = useT();
  const navigate = useNavigate();
  const verb = useVerb();
  const { data: workspaces = [] } = useQuery(workspacesQuery);
  const entries: Entry[] = [
    {
      id: "create",
      text: t("list.create"),
      run: () =>
        void navigate({
          to: ".",
          search: (before: Record<string, unknown>) => ({ ...before, new: true as const }),
        }),
    },
  ];
  for (const workspace of workspaces) {
    const params = { workspaceId: workspace.id };
    const { name } = workspace;
    entries.push({
      id: `go-${workspace.id}`,
      text: t("palette.goTo", { name }),
      run: () => void navigate({ to: "/workspaces/$workspaceId", params }),
    });
    for (const view of workspace.status === "running" ? (["terminal", "files"] as const) : []) {
      entries.push({
        id: `${view}-${workspace.id}`,
        text: t("action.of", { action: t(`action.${view}`), name }),
        run: () => void navigate({ to: `/workspaces/$workspaceId/${view}`, params }),
      });
    }
    for (const one of VERBS[workspace.status]) {
      if (one === "delete") continue;
      entries.push({
        id: `${one}-${workspace.id}`,
        text: t("action.of", { action: t(`action.${one}`), name }),
        run: () => verb.mutate({ verb: one, workspace }),
      });
    }
  }
  entries.push(
    { id: "help", text: t("help.title"), run: onHelp },
    ...THEMES.map((theme) => ({
      id: `theme-${theme}`,
      text: `${t("theme.label")}: ${t(`theme.${theme}`)}`,
      run: () => themeStore.set(theme),
    })),
    {
      id: "locale",
      text: t.locale === "en" ? "Deutsch" : "English",
      run: () => localeStore.set(t.locale === "en" ? "de" : "en"),
    },
  );
  return entries;
}

/** Everything that can be gone to or done, by typing a part of its name. */
export default function CommandPalette({ onClose, onHelp }: CommandPaletteProps) {
  const t = useT();
  const id = useId();
  const [text, setText] = useState("");
  const [current, setCurrent] = useState(0);
  const found = matching(useEntries(onHelp), text);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setCurrent(Math.min(current + 1, found.length - 1));
    else if (event.key === "ArrowUp") setCurrent(Math.max(current - 1, 0));
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
        {found.map((entry, index) => (
          <div
            key={entry.id}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === current}
            className="option"
            onClick={() => run(entry)}
            onKeyDown={onKeyDown}
            onPointerMove={() => setCurrent(index)}
            ref={(element) => {
              if (index === current) element?.scrollIntoView({ block: "nearest" });
            }}
          >
            {entry.text}
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="muted">{t("palette.none")}</p>}
    </Modal>
  );
}
