import { useDetail } from "../../api/detail";
import { SecretsPanel } from "./SecretsPanel";

/** The secrets of one workspace. */
export function SecretsTab() {
  const { id } = useDetail();
  return (
    <div className="panels">
      <SecretsPanel key={id} workspaceId={id} />
    </div>
  );
}
