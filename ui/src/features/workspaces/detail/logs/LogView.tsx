import { Download } from "lucide-react";
import { useDeferredValue, useEffect, useMemo, useState } from "react";
import { LogFrame } from "./LogFrame";
import { LogRows } from "./LogRows";
import { levelOf, rowsOf } from "./logRows";
import { request, workspacePath } from "../../../../api/client";
import { LineStream } from "../../../../api/LineStream";
import { reasonOf } from "../../../../api/mutations";
import type { LogLine } from "../../../../api/types";
import { useT } from "../../../../shared/i18n/messages";
import { plainText } from "../../../../shared/ansi";
import { saveText } from "../../../../shared/download";
import { useStore } from "../../../../shared/Store";
import { tell } from "../../../../shared/toasts";
import { Button } from "../../../../ui/Button";

async function saveLog(id: string, name: string): Promise<void> {
  try {
    const { lines } = await request<{ lines: LogLine[] }>("GET", workspacePath(id, "logs"));
    saveText(`${name}.log`, lines.map((line) => `${plainText(line.text)}\n`).join(""));
  } catch (failure) {
    tell("error", reasonOf(failure));
  }
}

/** A workspace's log as it grows: follows its end until somebody scrolls back, finds, and can be saved whole. */
export function LogView({ id, name }: { id: string; name: string }) {
  const t = useT();
  const stream = useMemo(() => new LineStream<LogLine>(id, "logs"), [id]);
  useEffect(() => {
    stream.open();
    return () => stream.close();
  }, [stream]);
  const { lines, dropped, isOpen, isBroken } = useStore(stream.state);
  const [text, setText] = useState("");
  const wanted = useDeferredValue(text.toLowerCase());
  const shown = useMemo(
    () => (wanted ? lines.filter((line) => plainText(line.text).toLowerCase().includes(wanted)) : lines),
    [lines, wanted],
  );
  const rows = useMemo(
    () =>
      wanted
        ? shown.map((line, index) => ({ kind: "line" as const, id: index, line, level: levelOf(line.text) }))
        : rowsOf(shown, dropped),
    [shown, wanted, dropped],
  );
  const none = t(lines.length > 0 ? "logs.noMatch" : isOpen ? "logs.empty" : "app.loading");
  return (
    <LogFrame
      name={t("detail.logs")}
      findName={t("logs.find")}
      text={text}
      onText={setText}
      choice={
        wanted && (
          <span className="muted" role="status">
            {t.count("logs.matches", shown.length)}
          </span>
        )
      }
      tools={
        <Button isSmall icon={Download} onClick={() => void saveLog(id, name)}>
          {t("app.download")}
        </Button>
      }
      note={
        <>
          {isBroken && <p className="muted">{t("logs.broken")}</p>}
          {dropped > 0 && <p className="muted">{t("logs.cut", { count: lines.length })}</p>}
        </>
      }
      none={shown.length === 0 && !isBroken ? none : ""}
    >
      <LogRows rows={rows} />
    </LogFrame>
  );
}
