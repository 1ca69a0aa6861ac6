import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  defaultHighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { ApiError } from "../api/client";
import { reasonOf } from "../api/mutations";
import { currentTranslate, useT } from "../i18n/messages";
import { Modal } from "../shared/Modal";
import { tell } from "../shared/toasts";
import { fileQuery, versionQuery, writeFile } from "./api";
import { darkHighlight } from "./highlight";
import { languageOf } from "./languages";

const PRECONDITION_FAILED = 412;

interface CodeEditorProps {
  workspaceId: string;
  path: string;
  name: string;
  text: string;
  /** The version that `text` is. */
  etag: string;
  /** Where the button that saves stands. */
  tools: HTMLElement | null;
}

/** A text file that can be changed and saved; a version that somebody else wrote is not overwritten unasked. */
export default function CodeEditor({ workspaceId, path, name, text, etag, tools }: CodeEditorProps) {
  const t = useT();
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const client = useQueryClient();
  const [version, setVersion] = useState(etag);
  const [ignored, setIgnored] = useState("");
  const { data: onDisk = "same" } = useQuery(versionQuery(workspaceId, path, version));
  const [isChanged, setIsChanged] = useState(false);
  const [isConflict, setIsConflict] = useState(false);
  const [isBusy, setIsBusy] = useState(false);

  const save = async (isForced: boolean) => {
    const doc = view.current?.state.doc.toString();
    if (doc === undefined || isBusy) return;
    setIsBusy(true);
    setIsConflict(false);
    try {
      setVersion(await writeFile(workspaceId, path, doc, isForced ? "" : version));
      setIsChanged(view.current?.state.doc.toString() !== doc);
      tell("success", t("files.saved", { name }));
    } catch (failure) {
      if (failure instanceof ApiError && failure.status === PRECONDITION_FAILED) setIsConflict(true);
      else tell("error", reasonOf(failure));
    }
    setIsBusy(false);
  };
  const reload = () => void client.invalidateQueries({ queryKey: fileQuery(workspaceId, path).queryKey });
  const latest = useRef(save);
  useEffect(() => {
    latest.current = save;
  });
  useEffect(() => {
    if (!host.current) return undefined;
    const language = new Compartment();
    const saveKey = {
      key: "Mod-s",
      run: () => {
        void latest.current(false);
        return true;
      },
    };
    const isDark = document.documentElement.dataset.theme === "dark";
    const made = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          syntaxHighlighting(isDark ? darkHighlight : defaultHighlightStyle),
          EditorView.theme({}, { dark: isDark }),
          keymap.of([saveKey, ...defaultKeymap, ...historyKeymap, ...searchKeymap, indentWithTab]),
          EditorView.contentAttributes.of({ "aria-label": currentTranslate()("files.editor", { name }) }),
          EditorView.updateListener.of((update) => update.docChanged && setIsChanged(true)),
          language.of([]),
        ],
      }),
    });
    view.current = made;
    let isGone = false;
    void languageOf(name).then((found) => !isGone && made.dispatch({ effects: language.reconfigure(found) }));
    return () => {
      isGone = true;
      made.destroy();
    };
  }, [text, name]);
  useEffect(() => {
    if (!isChanged) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isChanged]);

  return (
    <>
      {tools &&
        createPortal(
          <>
            <span className="muted" role="status">
              {isChanged ? t("files.unsaved") : ""}
            </span>
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
      {onDisk !== "same" && ignored !== version && !isBusy && (
        <div className="editor-notice" role="alert">
          <p>{t(onDisk === "gone" ? "files.goneOnDisk" : "files.changedOnDisk", { name })}</p>
          {onDisk === "changed" && (
            <button type="button" className="button button-small" onClick={reload}>
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
