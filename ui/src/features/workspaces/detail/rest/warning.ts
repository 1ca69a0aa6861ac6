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
function offer(text: string, label: string, act: () => void): void {
  lastId -= 1;
  const id = lastId;
  const run = () => {
    dismiss(id);
    act();
  };
  toasts.set((shown) => [...shown.slice(1 - LONGEST), { id, kind: "info", text, action: { label, run } }]);
}

/** Says that a workspace rests soon, and offers to keep it running. */
export function warn({ workspace_id: id, name = "", step, at }: WorkspaceEvent): void {
  if (!id || !at || (step !== "pause" && step !== "stop")) return;
  const t = currentTranslate();
  const text = t(`idle.told.${step}`, { name, at: clockTime(at, t.locale) });
  offer(text, t("idle.keep"), () => {
    hold(id).then(
      () => tell("success", t("idle.kept", { name })),
      (failure: unknown) => tell("error", reasonOf(failure)),
    );
  });
}
