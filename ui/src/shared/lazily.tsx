import { type ComponentType, type FunctionComponent, type ReactNode, useEffect } from "react";
import { useT } from "./i18n/messages";
import { Chunk, type ChunkState, preloaded } from "./Chunk";
import { useStore } from "./Store";
import { connection } from "./connection";

interface LazyOptions<P> {
  /** A `part` shows its fallback until it is there; a `dialog` that does not come says so over the page. */
  kind?: "view" | "dialog" | "part";
  fallback?: (props: P) => ReactNode;
}

/**
 * A component that is fetched when it is first shown or when the page is idle. The page around it stays as it is
 * whatever happens: one that does not come says why and is tried again.
 */
export function lazily<P extends object>(
  load: () => Promise<ComponentType<P>>,
  { kind = "view", fallback = () => null }: LazyOptions<P> = {},
): FunctionComponent<P> {
  const chunk = new Chunk(load);
  preloaded(chunk.load);
  return function Lazy(props: P) {
    const state = useStore(chunk.state);
    const isHere = state.kind === "here";
    const isConnected = useStore(connection) === "open";
    useEffect(() => (isHere ? undefined : chunk.want()), [isHere]);
    // The service is back: nobody has to wait for the next attempt.
    useEffect(() => {
      if (isConnected) void chunk.load();
    }, [isConnected]);
    if (state.kind === "here") {
      const { module: Loaded } = state;
      return <Loaded {...props} />;
    }
    if (kind === "view" && state.kind === "loading") return <Loading />;
    if (state.kind === "loading" || kind === "part") return fallback(props);
    const away = <ChunkAway state={state} onRetry={chunk.load} />;
    return kind === "dialog" ? <OverPage {...props}>{away}</OverPage> : away;
  };
}

function Loading() {
  const t = useT();
  return <p className="placeholder muted">{t("app.loading")}</p>;
}

interface AwayProps {
  state: Extract<ChunkState<unknown>, { kind: "away" }>;
  onRetry: () => Promise<void>;
}

function ChunkAway({ state, onRetry }: AwayProps) {
  const t = useT();
  const isReplaced = state.reason === "replaced";
  return (
    <div className="placeholder" role="alert">
      <p>
        <strong>{t("app.loadFailed")}</strong>
      </p>
      <p>{t(isReplaced ? "app.replaced" : "app.chunkAway")}</p>
      <button
        type="button"
        className="button"
        onClick={() => (isReplaced ? location.reload() : void onRetry())}
      >
        {t(isReplaced ? "app.reload" : "app.retry")}
      </button>
    </div>
  );
}

/** Stands in a dialog's place; the dialog itself is a part that may not be there. */
function OverPage({ children, onClose }: { children: ReactNode; onClose?: () => void }) {
  const t = useT();
  return (
    <div className="modal modal-dialog">
      {children}
      {onClose && (
        <div className="modal-actions">
          <button type="button" className="button" onClick={onClose}>
            {t("app.close")}
          </button>
        </div>
      )}
    </div>
  );
}
