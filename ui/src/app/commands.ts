import { type Command, type CommandScope, type CommandSource, type Group, GROUPS } from "../api/commands";
import { adminCommands } from "../features/admin/commands";
import { fileCommands } from "../features/files/commands";
import { templateCommands } from "../features/templates/commands";
import { terminalCommands } from "../features/terminal/commands";
import { workspaceCommands } from "../features/workspaces/commands";
import { matching } from "../shared/entries";
import { localeStore } from "../shared/i18n/messages";
import { keptStore } from "../shared/Store";
import { THEMES, themeStore } from "../shared/theme";

/** The page's own: how it looks. */
const lookCommands: CommandSource = ({ t }) => [
  ...THEMES.map((theme): Command => ({
    id: `theme-${theme}`,
    group: "look",
    text: `${t("theme.label")}: ${t(`theme.${theme}`)}`,
    run: () => themeStore.set(theme),
  })),
  {
    id: "locale",
    group: "look",
    text: t.locale === "en" ? "Deutsch" : "English",
    run: () => localeStore.set(t.locale === "en" ? "de" : "en"),
  },
];

const SOURCES: readonly CommandSource[] = [
  terminalCommands,
  fileCommands,
  workspaceCommands,
  templateCommands,
  adminCommands,
  lookCommands,
];

/** Everything that can be done now. */
export const commandsOf = (scope: CommandScope): Command[] => SOURCES.flatMap((source) => source(scope));

const isIds = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === "string");
const MOST_RECENT = 5;

/** What was done last through the palette, newest first. */
export const recent = keptStore<readonly string[]>("nixws.recentCommands", [], isIds);

export const noteCommand = (id: string): void =>
  recent.set((ids) => [id, ...ids.filter((one) => one !== id)].slice(0, MOST_RECENT));

export interface CommandGroup {
  group: Group;
  commands: readonly Command[];
}

const MOST_OF_GROUP = 8;

/**
 * The commands to be shown, in their groups. Where nothing is typed: what was done last, then a few of each group; else
 * all that match.
 */
export function grouped(
  commands: readonly Command[],
  text: string,
  recentIds: readonly string[],
): CommandGroup[] {
  const isTyped = text.trim() !== "";
  const last = isTyped
    ? []
    : recentIds.flatMap((id) => commands.find((one) => one.id === id && one.reason === undefined) ?? []);
  const rest = isTyped
    ? matching(commands, text)
    : commands.filter((one) => !one.isMany && !last.includes(one));
  return GROUPS.map((group): CommandGroup => {
    const own = group === "recent" ? last : rest.filter((one) => one.group === group);
    return { group, commands: !isTyped && group === "workspaces" ? own.slice(0, MOST_OF_GROUP) : own };
  }).filter(({ commands: own }) => own.length > 0);
}
