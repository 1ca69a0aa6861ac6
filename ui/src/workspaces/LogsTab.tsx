import { LogView } from "./LogView";
import { useDetail } from "./WorkspaceDetailView";

/** The log of the last build and boot. */
export function LogsTab() {
  const { id, name } = useDetail();
  return <LogView key={id} id={id} name={name} />;
}
