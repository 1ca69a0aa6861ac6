import type { EditorState, Text } from "@codemirror/state";
import { files as texts } from "../../../shared/i18n/files.en";
import { EditorView } from "@codemirror/view";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { ApiError } from "../../../api/client";
import { reasonOf } from "../../../api/mutations";
import { addEnglish, useT } from "../../../shared/i18n/messages";
import { useNow } from "../../../shared/clock";
import { relativeTime } from "../../../shared/format";
import { Modal } from "../../../ui/Modal";
import { tell } from "../../../shared/toasts";
import { versionQuery, writeFile } from "../api";
import { type Draft, dropDraft, keepDraft } from "./drafts";
import { WrapText } from "lucide-react";
import { useStore } from "../../../shared/Store";
import { IconButton } from "../../../ui/IconButton";
import {
  type EditorEvents,
  editorState,
  followTheme,
  followWrapping,
  goToLine,
  language,
  wrapsLines,
} from "./editorState";
import { languageOf } from "./languages";
import { type LineEnd, oddEnds, parsed, type TextForm, written } from "./lineEnds";

addEnglish(texts);

const PRECONDITION_FAILED = 412;

interface CodeEditorProps {
  workspaceId: string;
  path: string;
  name: string;
  /** The file as it was read; what was unsaved of it before counts more. */
  text: string;
  /** The version that `text` is. */
  etag: string;
  draft: Draft | null;
  /** The line to go to, from 1. */
  line?: number | undefined;
  /** Where the button that saves stands. */
  tools: HTMLElement | null;
  /** Shows the file as it is on the disk, without what is unsaved. */
  onReload: () => void;
}

const NAMES: Record<LineEnd, string> = { "\n": "LF", "\r\n": "CRLF", "\r": "CR" };

/** What is worth knowing of how a text is written. */
interface Facts {
  isMixed: boolean;
  endsWithNewline: boolean;
}

const factsOf = (state: EditorState): Facts => ({
  isMixed: state.field(oddEnds).size > 0,
  endsWithNewline: state.doc.length === 0 || state.doc.line(state.doc.lines).length === 0,
});

/** A text file that can be changed and saved; a version that somebody else wrote is not overwritten unasked. */
export default function CodeEditor(props: CodeEditorProps) {
  const { workspaceId, path, name, text, etag, draft, line, tools, onReload } = props;
  const t = useT();
  const now = useNow();
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const saved = useRef<Text>(null);
  const [start] = useState(() => ({ text: parsed(draft?.text ?? text), draft }));
  const form: TextForm = start.draft?.form ?? start.text.form;
  const [version, setVersion] = useState(draft?.etag ?? etag);
  const [ignored, setIgnored] = useState("");
  const { data: onDisk = "same" } = useQuery(versionQuery(workspaceId, path, version));
  const [facts, setFacts] = useState<Facts | null>(null);
  const [isChanged, setIsChanged] = useState(draft !== null);
  const [isConflict, setIsConflict] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const isWrapped = useStore(wrapsLines);

  const save = async (isForced: boolean) => {
    const state = view.current?.state;
    if (state === undefined || isBusy) return;
    setIsBusy(true);
    setIsConflict(false);
    try {
      const made = await writeFile(workspaceId, path, written(state, form), isForced ? "" : version);
      setVersion(made.etag);
      saved.current = state.doc;
      onChange(view.current?.state ?? state, made.etag);
      if (made.lost.length === 0) tell("success", t("files.saved", { name }));
      else {
        const what = made.lost.map((one) => t(`files.lost.${one}`)).join(", ");
        tell("error", t("files.savedLosing", { name, what }));
      }
    } catch (failure) {
      if (failure instanceof ApiError && failure.status === PRECONDITION_FAILED) setIsConflict(true);
      else tell("error", reasonOf(failure));
    }
    setIsBusy(false);
  };
  /** Keeps what is unsaved where it outlives this editor. */
  const onChange = (state: EditorState, base = version) => {
    const isNews = !saved.current?.eq(state.doc);
    setIsChanged(isNews);
    setFacts(factsOf(state));
    if (!isNews) dropDraft(workspaceId, path);
    else {
      const at = Date.now();
      keepDraft(workspaceId, path, () => ({
        text: written(state, form),
        form,
        etag: base,
        at,
        editor: { state, events: events.current, saved: saved.current },
      }));
    }
  };
  const events = useRef<EditorEvents>(draft?.editor?.events ?? { onSave: () => undefined, onChange });
  useEffect(() => {
    events.current.onSave = () => void save(false);
    events.current.onChange = onChange;
  });
  useEffect(() => {
    if (!host.current) return undefined;
    const before = start.draft?.editor;
    const state = before?.state ?? editorState(name, start.text, events.current);
    const made = new EditorView({ parent: host.current, state });
    view.current = made;
    saved.current = start.draft ? (before?.saved ?? null) : state.doc;
    setFacts(factsOf(state));
    let isGone = false;
    void languageOf(name).then((found) => !isGone && made.dispatch({ effects: language.reconfigure(found) }));
    const unfollow = [followTheme(made), followWrapping(made)];
    return () => {
      isGone = true;
      for (const stop of unfollow) stop();
      made.destroy();
    };
  }, [start, name]);
  useEffect(() => {
    if (line !== undefined && view.current) goToLine(view.current, line);
  }, [line]);

  const ends = t(facts?.isMixed ? "files.mixedEnds" : "files.lineEnds", { end: NAMES[form.end] });
  return (
    <>
      {tools &&
        createPortal(
          <>
            {facts && (
              <span className="editor-form muted" title={ends}>
                {[
                  facts.isMixed ? `${NAMES[form.end]}, …` : NAMES[form.end],
                  ...(form.hasBom ? ["BOM"] : []),
                  ...(facts.endsWithNewline ? [] : [t("files.noLastNewline")]),
                ].join(" · ")}
              </span>
            )}
            <IconButton
              icon={WrapText}
              label={t("files.wrap")}
              aria-pressed={isWrapped}
              onClick={() => wrapsLines.set(!isWrapped)}
            />
            <span className="muted" role="status">
              {isChanged ? t("files.unsaved") : ""}
            </span>
            {isChanged && (
              <button type="button" className="button button-small" disabled={isBusy} onClick={onReload}>
                {t("packages.discard")}
              </button>
            )}
            <button
              type="button"
              className="button button-small button-primary"
              disabled={!isChanged || isBusy}
              onClick={() => void save(false)}
            >
              {t("app.save")}
            </button>
          </>,
          tools,
        )}
      {start.draft && isChanged && !start.draft.editor && (
        <p className="editor-notice" role="status">
          {t("files.draftBack", {
            ago: relativeTime(new Date(start.draft.at).toISOString(), now, t.locale),
          })}
        </p>
      )}
      {onDisk !== "same" && ignored !== version && !isBusy && (
        <div className="editor-notice" role="alert">
          <p>{t(onDisk === "gone" ? "files.goneOnDisk" : "files.changedOnDisk", { name })}</p>
          {onDisk === "changed" && (
            <button type="button" className="button button-small" onClick={onReload}>
              {t(isChanged ? "files.reloadLosing" : "files.reload")}
            </button>
          )}
          <button type="button" className="button button-small" onClick={() => setIgnored(version)}>
            {t("files.keepMine")}
          </button>
        </div>
      )}
      <div className="code-editor" ref={host} />
      {isConflict && (
        <Modal isOpen onClose={() => setIsConflict(false)} title={t("files.changed", { name })}>
          <div className="modal-actions">
            <button type="button" className="button" onClick={() => setIsConflict(false)}>
              {t("app.cancel")}
            </button>
            <button type="button" className="button button-danger" onClick={() => void save(true)}>
              {t("files.overwrite")}
            </button>
          </div>
        </Modal>
      )}
    </>
  );
}
