import type { WorkspaceEvent } from "../../../../api/EventsSocket";
import { reasonOf } from "../../../../api/mutations";
import { clockTime } from "../../../../shared/format";
import { idle as texts } from "../../../../shared/i18n/idle.en";
import { addEnglish, currentTranslate } from "../../../../shared/i18n/messages";
import { dismiss, tell, toasts } from "../../../../shared/toasts";
import { hold } from "./api";

addEnglish(texts);

const LONGEST = 4;
/** Below those of other messages. */
let lastId = 0;

/** Tells something that somebody may want to do something about; it stays until that is done or it is dismissed. */
function keep(text: string, label?: string, act?: () => void): void {
  lastId -= 1;
  const id = lastId;
  const run = () => {
    dismiss(id);
    act?.();
  };
  const action = label && act ? { label, run } : undefined;
  toasts.set((shown) => [...shown.slice(1 - LONGEST), { id, kind: "info", text, action }]);
}

/** Says what is about to become of workspaces, by themselves or by their budgets. */
export function warn(events: readonly WorkspaceEvent[]): void {
  for (const event of events) {
    if (event.type === "workspace.idle") warnOfRest(event);
    else warnOfBudget(event);
  }
}

/** Says that a budget has passed a threshold: once, although each workspace that it bounds is told. */
function warnOfBudget({ workspace, kind = "workspace", percent = 0, stops }: WorkspaceEvent): void {
  const t = currentTranslate();
  const name = (kind === "user" ? workspace?.owner : workspace?.name) ?? "";
  const said = t(`budget.told.${kind}`, { percent, name });
  const text = stops ? `${said} ${t("budget.stops")}` : said;
  if (!toasts.get().some((shown) => shown.text === text)) keep(text);
}

/** Says that a workspace rests soon, and offers to keep it running. */
function warnOfRest({ workspace_id: id, name = "", step, at }: WorkspaceEvent): void {
  if (!id || !at || (step !== "pause" && step !== "stop")) return;
  const t = currentTranslate();
  const text = t(`idle.told.${step}`, { name, at: clockTime(at, t.locale) });
  keep(text, t("idle.keep"), () => {
    hold(id).then(
      () => tell("success", t("idle.kept", { name })),
      (failure: unknown) => tell("error", reasonOf(failure)),
    );
  });
}
