import {
  ChevronDown,
  CodeXml,
  Copy,
  Ellipsis,
  ExternalLink,
  FileText,
  Folder,
  Settings,
  Share2,
  SquareTerminal,
  Trash2,
} from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { type ReactNode, useState } from "react";
import { useAbilities } from "../../../api/abilities";
import { isPage, openBeside, openPath, usePorts } from "../../../api/ports";
import type { WorkspaceDetail } from "../../../api/types";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { more } from "../../../shared/i18n/more.en";
import { sharing } from "../../../shared/i18n/sharing.en";
import { lazily } from "../../../shared/lazily";
import { tell } from "../../../shared/toasts";
import { MenuItem } from "../../../ui/MenuItem";
import { MenuPortal } from "../../../ui/MenuPortal";
import { EDITORS, editorLink } from "./editors";
import { sshCommand } from "./sshCommand";
import { VERB_ICONS } from "./verbIcons";

addEnglish(more);
addEnglish(sharing);

const ShareDialog = lazily(async () => (await import("./sharing/ShareDialog")).default, { kind: "dialog" });

/** What is done less often than what has a button of its own. */
const VERBS = ["restart", "pause"] as const;

interface HeadMenuProps {
  detail: WorkspaceDetail;
  onVerb: (verb: (typeof VERBS)[number]) => void;
  onGo: (view: "terminal" | "files" | "logs" | "settings") => void;
  onDelete: () => void;
}

/** The two menus of a workspace's head: what can be opened, and what else can be done. */
export default function HeadMenus({ detail, onVerb, onGo, onDelete }: HeadMenuProps) {
  const t = useT();
  const why = useAbilities();
  const command = sshCommand(detail);
  const [isSharing, setSharing] = useState(false);
  const pages = usePorts(detail.id, detail.status === "running")?.filter(isPage) ?? [];
  return (
    <>
      {detail.status === "running" && (
        <Menu
          className="button button-primary split-end"
          label={t("detail.openMore")}
          icon={<ChevronDown aria-hidden size={16} />}
        >
          <MenuItem icon={SquareTerminal} onSelect={() => onGo("terminal")}>
            {t("action.terminal")}
          </MenuItem>
          <MenuItem icon={Folder} onSelect={() => onGo("files")}>
            {t("action.files")}
          </MenuItem>
          {pages.map(({ port, program, url }) => (
            <MenuItem key={port} icon={ExternalLink} onSelect={() => openBeside(openPath(url ?? ""))}>
              {program ? t("ports.openProgram", { port, program }) : t("ports.open", { port })}
            </MenuItem>
          ))}
          <DropdownMenu.Label className="menu-label">{t("editor.needs")}</DropdownMenu.Label>
          {EDITORS.map((editor) => (
            <MenuItem
              key={editor}
              icon={CodeXml}
              onSelect={() => location.assign(editorLink(editor, detail))}
            >
              {t(`editor.${editor}`)}
            </MenuItem>
          ))}
          {command && (
            <MenuItem
              icon={Copy}
              onSelect={() =>
                void navigator.clipboard.writeText(command).then(() => tell("success", t("app.copied")))
              }
            >
              {t("detail.copySsh")}
            </MenuItem>
          )}
        </Menu>
      )}
      <Menu
        className="icon-button"
        label={t("action.more", { name: detail.name })}
        icon={<Ellipsis aria-hidden size={18} />}
      >
        {VERBS.map((verb) => (
          <MenuItem
            key={verb}
            icon={VERB_ICONS[verb]}
            reason={why(detail, verb)}
            onSelect={() => onVerb(verb)}
          >
            {t(`action.${verb}`)}
          </MenuItem>
        ))}
        <MenuItem icon={FileText} onSelect={() => onGo("logs")}>
          {t("action.logs")}
        </MenuItem>
        <MenuItem icon={Settings} onSelect={() => onGo("settings")}>
          {t("action.settings")}
        </MenuItem>
        {(detail.relation === "owner" || detail.relation === "none") && (
          <MenuItem icon={Share2} onSelect={() => setSharing(true)}>
            {t("share.open")}…
          </MenuItem>
        )}
        <DropdownMenu.Separator className="menu-separator" />
        <MenuItem icon={Trash2} isDangerous reason={why(detail, "delete")} onSelect={onDelete}>
          {t("action.delete")}…
        </MenuItem>
      </Menu>
      {isSharing && <ShareDialog detail={detail} onClose={() => setSharing(false)} />}
    </>
  );
}

interface MenuProps {
  className: string;
  label: string;
  icon: ReactNode;
  children: ReactNode;
}

function Menu({ className, label, icon, children }: MenuProps) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className={className} aria-label={label}>
        {icon}
      </DropdownMenu.Trigger>
      <MenuPortal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {children}
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
}
