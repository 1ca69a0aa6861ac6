import { hasAccount } from "../../api/abilities";
import type { Command, CommandScope } from "../../api/commands";

/** The way to the health of the service. */
export const adminCommands = ({ t, go, session }: CommandScope): readonly Command[] =>
  hasAccount(session) ? [{ id: "admin", group: "pages", text: t("nav.admin"), run: () => go("/admin") }] : [];
