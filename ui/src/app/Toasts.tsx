import { X } from "lucide-react";
import { useT } from "../shared/i18n/messages";
import { useStore } from "../shared/Store";
import { dismiss, toasts } from "../shared/toasts";

/** What was told lately; read out by screen readers as it comes. */
export function Toasts() {
  const t = useT();
  const shown = useStore(toasts);
  return (
    <section className="toasts" aria-label={t("toast.region")} aria-live="polite" aria-relevant="additions">
      {shown.map((toast) => (
        <div
          key={toast.id}
          className={`toast toast-${toast.kind}`}
          role={toast.kind === "error" ? "alert" : undefined}
        >
          <div className="toast-text">
            <p>{toast.text}</p>
            {toast.detail && <p className="toast-detail">{toast.detail}</p>}
            {toast.action && (
              <button type="button" className="button button-small" onClick={toast.action.run}>
                {toast.action.label}
              </button>
            )}
          </div>
          <button
            type="button"
            className="icon-button"
            aria-label={t("toast.dismiss")}
            onClick={() => dismiss(toast.id)}
          >
            <X aria-hidden size={16} />
          </button>
        </div>
      ))}
    </section>
  );
}
