import type { WorkspaceDetail } from "../../../api/types";

/** What logs in by SSH with the downloaded key; empty while nothing answers. */
export function sshCommand({ name, ssh_info: ssh }: Pick<WorkspaceDetail, "name" | "ssh_info">): string {
  return ssh ? `ssh -i ${name}.key -p ${ssh.port} ${ssh.username}@${ssh.host}` : "";
}
