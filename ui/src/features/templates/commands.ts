import { hasAccount } from "../../api/abilities";
import type { Command, CommandScope } from "../../api/commands";

/** The way to the templates. */
export const templateCommands = ({ t, go, session }: CommandScope): readonly Command[] =>
  hasAccount(session)
    ? [{ id: "templates", group: "pages", text: t("nav.templates"), run: () => go("/templates") }]
    : [];
