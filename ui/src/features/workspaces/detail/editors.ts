import type { WorkspaceDetail } from "../../../api/types";

/** Desktop editors that open a workspace over SSH, by the host name that `nixws config-ssh` writes down. */
export const EDITORS = ["vscode", "cursor", "jetbrains"] as const;
export type Editor = (typeof EDITORS)[number];

const HOME = "/home/nixos";

/** The link that opens a workspace in an editor. */
export function editorLink(editor: Editor, { name }: Pick<WorkspaceDetail, "name">): string {
  const host = `${name}.nixws`;
  switch (editor) {
    case "vscode":
      return `vscode://vscode-remote/ssh-remote+${host}${HOME}`;
    case "cursor":
      return `cursor://vscode-remote/ssh-remote+${host}${HOME}`;
    case "jetbrains": {
      const asked = new URLSearchParams({
        type: "ssh",
        deploy: "true",
        host,
        port: "22",
        user: "nixos",
        projectPath: HOME,
      });
      return `jetbrains-gateway://connect#${asked.toString()}`;
    }
  }
}
