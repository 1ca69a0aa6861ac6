import { useQuery } from "@tanstack/react-query";
import { ChevronDown, ChevronRight } from "lucide-react";
import { useState } from "react";
import { useT } from "../../../shared/i18n/messages";
import { directoryQuery } from "../api";
import { HOME, shown } from "../paths";

interface DirectoryTreeProps {
  workspaceId: string;
  current: string;
  hidden: boolean;
  onChoose: (directory: string) => void;
}

const ROOTS = [HOME, "/"];

/** The directories of a workspace; each is read when it is opened. */
export function DirectoryTree(props: DirectoryTreeProps) {
  const t = useT();
  return (
    <nav className="directory-tree" aria-label={t("files.roots")}>
      <ul>
        {ROOTS.map((root) => (
          <Branch key={root} {...props} path={root} name={root} isOpenAtFirst={root === HOME} />
        ))}
      </ul>
    </nav>
  );
}

interface BranchProps extends DirectoryTreeProps {
  path: string;
  name: string;
  isOpenAtFirst?: boolean;
}

function Branch({ path, name, isOpenAtFirst = false, ...rest }: BranchProps) {
  const { workspaceId, current, hidden, onChoose } = rest;
  const [isOpen, setIsOpen] = useState(isOpenAtFirst);
  const { data } = useQuery({ ...directoryQuery(workspaceId, path, hidden), enabled: isOpen });
  const directories = data?.filter((entry) => entry.type === "directory") ?? [];
  const Icon = isOpen ? ChevronDown : ChevronRight;
  return (
    <li>
      <div className="branch" data-current={path === current}>
        <button
          type="button"
          className="branch-toggle"
          aria-expanded={isOpen}
          aria-label={shown(name)}
          onClick={() => setIsOpen(!isOpen)}
        >
          <Icon aria-hidden size={14} />
        </button>
        <button
          type="button"
          className="link-button"
          aria-current={path === current ? "location" : undefined}
          onClick={() => onChoose(path)}
        >
          {shown(name)}
        </button>
      </div>
      {isOpen && directories.length > 0 && (
        <ul>
          {directories.map((entry) => (
            <Branch key={entry.path} {...rest} path={entry.path} name={entry.name} />
          ))}
        </ul>
      )}
    </li>
  );
}
