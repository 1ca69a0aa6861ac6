import "@xterm/xterm/css/xterm.css";
import "../styles/terminal.css";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { currentTranslate, useT } from "../i18n/messages";
import { bytes } from "../shared/format";
import { useStore } from "../shared/Store";
import { socketUrl } from "../shared/useEvents";
import { ConnectionBanner } from "./ConnectionBanner";
import { FindBar } from "./FindBar";
import { type BarKey, KeyBar, typedBy, withControl } from "./KeyBar";
import { terminalSettings } from "./settings";
import { type ConnectionState, TerminalConnection } from "./TerminalConnection";
import { XtermView } from "./XtermView";

const PasteDialog = lazy(() => import("./PasteDialog"));

interface TerminalPaneProps {
  workspaceId: string;
  terminalId: string;
  label: string;
  /** It was opened by this page just now. */
  isNew: boolean;
  /** It is the one that keys go to. */
  isCurrent: boolean;
  onTitle: (title: string) => void;
  onFocus: () => void;
  onLeave: () => void;
  /** Its shell has ended. */
  onEnded: (code: number) => void;
}

interface Attachment {
  view: XtermView;
  connection: TerminalConnection;
}

const gapText = (from: number, to: number): string => {
  const t = currentTranslate();
  return `\r\n\u001b[7m ${t("terminal.gap", { amount: bytes(to - from, t.locale) })} \u001b[0m\r\n`;
};

/** One terminal on the screen, attached for as long as it is shown. */
export function TerminalPane(props: TerminalPaneProps) {
  const { workspaceId, terminalId, label, isNew, isCurrent } = props;
  const t = useT();
  const settings = useStore(terminalSettings);
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  const attachment = useRef<Attachment>(null);
  const [state, setState] = useState<ConnectionState>({ kind: "connecting" });
  const [isFinding, setIsFinding] = useState(false);
  const [pasting, setPasting] = useState("");
  const [isControl, setIsControl] = useState(false);
  // Ctrl of the key bar is held for one key.
  const held = useRef((data: string) => data);

  useEffect(() => {
    latest.current = props;
    held.current = (data) => {
      if (!isControl) return data;
      setIsControl(false);
      return withControl(data);
    };
  });
  useEffect(() => {
    if (!host.current) return undefined;
    // The view tells its first size while it is made; the connection is given that size when it is opened.
    let connection: TerminalConnection | undefined;
    const view = new XtermView(host.current, terminalSettings.get(), {
      onInput: (data, isTyped) => connection?.send(isTyped ? held.current(data) : data, isTyped),
      onSize: (cols, rows) => connection?.resize(cols, rows),
      onTitle: (title) => latest.current.onTitle(title),
      onRiskyPaste: setPasting,
      onFind: () => setIsFinding(true),
      onLeave: () => latest.current.onLeave(),
    });
    const opened = new TerminalConnection({
      url: socketUrl(`/ws/nixos/workspaces/${encodeURIComponent(workspaceId)}/terminal`),
      session: terminalId,
      isNew,
      write: (data, done) => view.terminal.write(data, done),
      onGap: (from, to) => view.terminal.write(gapText(from, to)),
      onResized: (cols, rows) => view.terminal.resize(cols, rows),
      onState: (next) => {
        setState(next);
        if (next.kind === "ended") latest.current.onEnded(next.code);
      },
    });
    opened.open(view.terminal.cols, view.terminal.rows);
    connection = opened;
    attachment.current = { view, connection: opened };
    const again = () => opened.reconnectNow();
    addEventListener("online", again);
    return () => {
      removeEventListener("online", again);
      opened.close();
      view.dispose();
      attachment.current = null;
    };
    // `isNew` says how it was when the pane was made; it is not a reason to attach again.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [workspaceId, terminalId]);
  useEffect(() => attachment.current?.view.apply(settings), [settings]);
  useEffect(() => {
    if (isCurrent) attachment.current?.view.focus();
  }, [isCurrent]);

  const paste = () => {
    attachment.current?.view.terminal.paste(pasting);
    setPasting("");
    attachment.current?.view.focus();
  };
  const press = (key: BarKey) => {
    const terminal = attachment.current?.view.terminal;
    terminal?.input(typedBy(key, terminal.modes.applicationCursorKeysMode));
    terminal?.focus();
  };
  const search = attachment.current?.view.search;
  return (
    <div className="terminal-pane" data-scheme={settings.scheme} onFocusCapture={props.onFocus}>
      {isFinding && (
        <FindBar
          onFind={(text, isForward) =>
            (isForward ? search?.findNext(text) : search?.findPrevious(text)) ?? false
          }
          onClose={() => {
            setIsFinding(false);
            search?.clearDecorations();
            attachment.current?.view.focus();
          }}
        />
      )}
      <ConnectionBanner state={state} onReconnect={() => attachment.current?.connection.reconnectNow()} />
      <div
        className="terminal-host"
        ref={host}
        role="group"
        aria-label={t("terminal.label", { name: label })}
      />
      {isCurrent && <KeyBar isControl={isControl} onControl={() => setIsControl(!isControl)} onKey={press} />}
      <Suspense>
        {pasting && <PasteDialog text={pasting} onPaste={paste} onClose={() => setPasting("")} />}
      </Suspense>
    </div>
  );
}
