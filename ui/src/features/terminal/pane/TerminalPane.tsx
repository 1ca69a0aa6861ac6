import "@xterm/xterm/css/xterm.css";
import "../terminal.css";
import { type DragEvent, useEffect, useImperativeHandle, useRef, useState } from "react";
import { fileExists } from "../../../api/exists";
import { openBeside, openPortPath } from "../../../api/ports";
import { bytes } from "../../../shared/format";
import { currentTranslate, useT } from "../../../shared/i18n/messages";
import { lazily } from "../../../shared/lazily";
import { useStore } from "../../../shared/Store";
import { tell } from "../../../shared/toasts";
import { upload } from "../../../shared/uploader";
import { ConnectionBanner } from "../connection/ConnectionBanner";
import { type ConnectionState, TerminalConnection } from "../connection/TerminalConnection";
import { claim, noteTyped, release, terminalUrl } from "../connection/typed";
import { mayType, type News, type Presence } from "../connection/wire";
import { type BarKey, typedBy, withControl } from "./barKeys";
import { absolute } from "./fileLinks";
import type { ChosenMark } from "./MarkMenu";
import { quoted } from "./quoted";
import { terminalSettings } from "./settings";
import { XtermView } from "./XtermView";

const PasteDialog = lazily(async () => (await import("./PasteDialog")).default, { kind: "dialog" });
const FindBar = lazily(async () => (await import("./FindBar")).FindBar, { kind: "dialog" });
const MarkMenu = lazily(async () => (await import("./MarkMenu")).MarkMenu, { kind: "dialog" });

const PART = { kind: "part" } as const;
const KeyBar = lazily(async () => (await import("./KeyBar")).KeyBar, PART);
const SizedElsewhere = lazily(async () => (await import("../people/SizedElsewhere")).SizedElsewhere, PART);
const PresenceRow = lazily(async () => (await import("../people/PresenceRow")).PresenceRow, PART);

const HOME = "/home/nixos";

/** What can be asked of a pane from outside. */
export interface PaneHandle {
  find: () => void;
  copyLastOutput: () => void;
}

interface TerminalPaneProps {
  workspaceId: string;
  terminalId: string;
  label: string;
  /** It was opened by this page just now. */
  isNew: boolean;
  /** It is the one that keys go to. */
  isCurrent: boolean;
  handle: (handle: PaneHandle | null) => void;
  /** Where its shell is, as far as is known. */
  cwd: string;
  onTitle: (title: string) => void;
  onNews: (news: News) => void;
  onFile: (path: string, line: number) => void;
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

const hasFiles = (event: DragEvent): boolean => event.dataTransfer.types.includes("Files");

/** One terminal on the screen, attached for as long as it is shown. */
export function TerminalPane(props: TerminalPaneProps) {
  const { workspaceId, terminalId, label, isNew, isCurrent, cwd } = props;
  const t = useT();
  const settings = useStore(terminalSettings);
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  const attachment = useRef<Attachment>(null);
  const [state, setState] = useState<ConnectionState>({ kind: "connecting" });
  const [isFinding, setIsFinding] = useState(false);
  const [pasting, setPasting] = useState("");
  const [mark, setMark] = useState<ChosenMark | null>(null);
  const [isControl, setIsControl] = useState(false);
  const [isOver, setIsOver] = useState(false);
  const [side, setSide] = useState<"start" | "end">("start");
  /** The size that another window gave it, where this one would give it another. */
  const [elsewhere, setElsewhere] = useState("");
  const [presence, setPresence] = useState<Presence | null>(null);
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
      onInput: (data, isTyped) => {
        connection?.send(isTyped ? held.current(data) : data, isTyped);
        if (connection?.state.kind !== "open") noteTyped(workspaceId, terminalId, false);
      },
      onSize: (cols, rows) => {
        connection?.resize(cols, rows);
        setElsewhere("");
      },
      onTitle: (title) => latest.current.onTitle(title),
      onRiskyPaste: setPasting,
      onFind: () => setIsFinding(true),
      onMark: (command, copyOutput, y) => setMark({ command, copyOutput, y }),
      markLabel: ({ code }) => {
        const say = currentTranslate();
        return code === null ? say("terminal.commandRuns") : say("terminal.commandCode", { code });
      },
      isReplaying: () => connection?.isReplaying ?? true,
      onCopied: (isThere) =>
        tell("info", currentTranslate()(isThere ? "terminal.outputCopied" : "terminal.noOutput")),
      onPort: (port, path) => openBeside(openPortPath(workspaceId, port, path)),
      resolveFile: (path) => (latest.current.cwd ? absolute(path, latest.current.cwd, HOME) : null),
      fileExists: (path) => fileExists(workspaceId, path),
      onFile: (path, line) => latest.current.onFile(path, line),
      onLeave: () => latest.current.onLeave(),
    });
    const opened = new TerminalConnection({
      url: terminalUrl(workspaceId),
      session: terminalId,
      isNew,
      input: claim(workspaceId, terminalId),
      write: (data, done) => view.write(data, done),
      onGap: (from, to) => view.terminal.write(gapText(from, to)),
      onResized: (cols, rows) => {
        setElsewhere(view.resize(cols, rows) ? "" : `${cols} × ${rows}`);
      },
      onNews: (news) => latest.current.onNews(news),
      onPresence: setPresence,
      onState: (next) => {
        setState(next);
        const { buffer, rows } = view.terminal;
        setSide(buffer.active.cursorY < rows / 2 ? "end" : "start");
        if (next.kind !== "closed") noteTyped(workspaceId, terminalId, next.kind === "open");
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
      const { offset } = opened;
      opened.close();
      release(workspaceId, terminalId, offset);
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
  useImperativeHandle(
    props.handle,
    () => ({
      find: () => setIsFinding(true),
      copyLastOutput: () => attachment.current?.view.copyLastOutput(),
    }),
    [],
  );

  const focus = () => attachment.current?.view.focus();
  const paste = (text: string) => {
    attachment.current?.view.terminal.paste(text);
    setPasting("");
    focus();
  };
  const pasteClipboard = async () => {
    const text = await navigator.clipboard.readText().catch(() => null);
    if (text === null) tell("error", t("terminal.noClipboard"));
    else if (/[\r\n]./.test(text) && !attachment.current?.view.terminal.modes.bracketedPasteMode)
      setPasting(text);
    else paste(text);
  };
  const press = (key: BarKey) => {
    const terminal = attachment.current?.view.terminal;
    terminal?.input(held.current(typedBy(key, terminal.modes.applicationCursorKeysMode)));
    terminal?.focus();
  };
  const drop = async (event: DragEvent) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    setIsOver(false);
    const directory = cwd || HOME;
    const names = await upload(workspaceId, directory, event.dataTransfer);
    const words = names.map((name) => quoted(`${directory === "/" ? "" : directory}/${name}`));
    if (words.length > 0) attachment.current?.view.terminal.paste(`${words.join(" ")} `);
    focus();
  };
  const search = attachment.current?.view.search;
  return (
    <div
      className="terminal-pane"
      data-scheme={settings.scheme}
      data-over={isOver}
      onFocusCapture={props.onFocus}
      onDragOver={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={() => setIsOver(false)}
      onDrop={(event) => void drop(event)}
    >
      {isFinding && search && (
        <FindBar
          search={search}
          onClose={() => {
            setIsFinding(false);
            search.clearDecorations();
            focus();
          }}
        />
      )}
      {presence &&
        state.kind === "open" &&
        (presence.total > 1 || presence.recorded || !mayType(presence)) && (
          <PresenceRow
            workspaceId={workspaceId}
            presence={presence}
            terminal={attachment.current?.view.terminal}
            mayType={mayType(presence)}
            onTell={(message) => attachment.current?.connection.tell(message)}
          />
        )}
      <ConnectionBanner
        state={state}
        side={side}
        onReconnect={() => attachment.current?.connection.reconnectNow()}
      />
      <div className="terminal-stage">
        <div
          className="terminal-host"
          ref={host}
          role="group"
          aria-label={t("terminal.label", { name: label })}
        />
        {elsewhere && state.kind === "open" && (
          <SizedElsewhere
            size={elsewhere}
            onTakeOver={() => {
              attachment.current?.view.fit();
              focus();
            }}
          />
        )}
      </div>
      {isOver && <p className="terminal-drop">{t("terminal.drop", { path: cwd || HOME })}</p>}
      {mark && (
        <MarkMenu
          mark={mark}
          onClose={() => {
            setMark(null);
            focus();
          }}
        />
      )}
      {isCurrent && (
        <KeyBar
          isControl={isControl}
          onControl={() => setIsControl(!isControl)}
          onKey={press}
          onPaste={() => void pasteClipboard()}
        />
      )}
      {pasting && (
        <PasteDialog text={pasting} onPaste={() => paste(pasting)} onClose={() => setPasting("")} />
      )}
    </div>
  );
}
