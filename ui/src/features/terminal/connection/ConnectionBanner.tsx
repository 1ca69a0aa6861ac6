import { useT } from "../../../shared/i18n/messages";
import { fastClock, useNow } from "../../../shared/clock";
import { bytes } from "../../../shared/format";
import type { ConnectionState } from "./TerminalConnection";

/** Says why nothing is shown of what is typed, when that changes, and offers not to wait. */
export function ConnectionBanner({
  state,
  side,
  onReconnect,
}: {
  state: ConnectionState;
  /** Where it lies over the terminal: away from the line that is typed. */
  side: "start" | "end";
  onReconnect: () => void;
}) {
  const t = useT();
  if (state.kind === "open" || state.kind === "closed") return null;
  if (state.kind === "connecting") {
    return (
      <p className="terminal-banner terminal-banner-quiet" data-side={side}>
        {t("terminal.connecting")}
      </p>
    );
  }
  const text = () => {
    switch (state.kind) {
      case "waiting":
        return <Countdown retryAt={state.retryAt} />;
      case "ended":
        return t("terminal.exited", { code: state.code });
      case "failed":
        return t("terminal.failed", { reason: state.message || state.closeCode });
    }
  };
  return (
    <div className="terminal-banner" data-side={side}>
      <p role={state.kind === "waiting" ? "timer" : "status"}>{text()}</p>
      {state.kind === "waiting" && state.kept > 0 && (
        <p role="status">
          {t(state.isFull ? "terminal.keptFull" : "terminal.kept", { amount: bytes(state.kept, t.locale) })}
        </p>
      )}
      {state.kind !== "ended" && (
        <button type="button" className="button button-small" onClick={onReconnect}>
          {t("terminal.now")}
        </button>
      )}
    </div>
  );
}

function Countdown({ retryAt }: { retryAt: number }) {
  const t = useT();
  const now = useNow(fastClock);
  return t("terminal.lost", { seconds: Math.max(0, Math.ceil((retryAt - now) / 1000)) });
}
