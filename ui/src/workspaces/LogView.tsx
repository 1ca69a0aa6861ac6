import { Download } from "lucide-react";
import { useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { request, workspacePath } from "../api/client";
import { LogStream } from "../api/LogStream";
import { reasonOf } from "../api/mutations";
import type { LogLine } from "../api/types";
import { useT } from "../i18n/messages";
import { ansiSpans, plainText } from "../shared/ansi";
import { saveText } from "../shared/download";
import { useStore } from "../shared/Store";
import { tell } from "../shared/toasts";

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
  const stream = useMemo(() => new LogStream(id), [id]);
  useEffect(() => {
    stream.open();
    return () => stream.close();
  }, [stream]);
  const { lines, dropped, isBroken } = useStore(stream.state);
  const [isFollowing, setIsFollowing] = useState(true);
  const [text, setText] = useState("");
  const wanted = useDeferredValue(text.toLowerCase());
  const shown = useMemo(
    () => (wanted ? lines.filter((line) => plainText(line.text).toLowerCase().includes(wanted)) : lines),
    [lines, wanted],
  );
  const { pane, content, onScroll } = useFollow(isFollowing, setIsFollowing);
  return (
    <div className="log-view">
      <div className="log-tools">
        <input
          type="search"
          aria-label={t("logs.find")}
          placeholder={t("logs.find")}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {wanted && (
          <span className="muted" role="status">
            {t.count("logs.matches", shown.length)}
          </span>
        )}
        <label>
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={(event) => setIsFollowing(event.target.checked)}
          />
          {t("logs.follow")}
        </label>
        <button type="button" className="button button-small" onClick={() => void saveLog(id, name)}>
          <Download aria-hidden size={14} />
          {t("app.download")}
        </button>
      </div>
      {isBroken && <p className="muted">{t("logs.broken")}</p>}
      {dropped > 0 && <p className="muted">{t("logs.cut", { count: lines.length })}</p>}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrolling region must take the focus */}
      <pre ref={pane} className="log-lines" tabIndex={0} onScroll={onScroll} aria-label={t("detail.logs")}>
        <div ref={content}>
          {shown.length === 0 && <span className="muted">{t("logs.empty")}</span>}
          {shown.map((line, index) => (
            // A log only grows at its end: a line's number is its name.
            // oxlint-disable-next-line react/no-array-index-key
            <LogText key={dropped + index} text={line.text} />
          ))}
        </div>
      </pre>
    </div>
  );
}

/** Keeps a pane at its end while it follows; who scrolls back stops it, who scrolls to the end starts it again. */
function useFollow(isFollowing: boolean, setIsFollowing: (isFollowing: boolean) => void) {
  const pane = useRef<HTMLPreElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const before = useRef(0);
  useEffect(() => {
    const [outer, inner] = [pane.current, content.current];
    if (!isFollowing || !outer || !inner) return undefined;
    // Lines out of sight have a guessed height: the end moves when they are drawn, not only when lines come.
    const observer = new ResizeObserver(() => {
      outer.scrollTop = outer.scrollHeight;
    });
    observer.observe(inner);
    observer.observe(outer);
    return () => observer.disconnect();
  }, [isFollowing]);
  const onScroll = () => {
    const element = pane.current;
    if (!element) return;
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
    if (isAtEnd) setIsFollowing(true);
    else if (element.scrollTop < before.current) setIsFollowing(false);
    before.current = element.scrollTop;
  };
  return { pane, content, onScroll };
}

function LogText({ text }: { text: string }) {
  return (
    <span className="log-line">
      {ansiSpans(text).map((span, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the pieces of a line never change
        <span key={index} className={span.classes || undefined}>
          {span.text}
        </span>
      ))}
      {"\n"}
    </span>
  );
}
