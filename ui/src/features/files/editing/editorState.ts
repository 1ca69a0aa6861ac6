import { defaultKeymap, history, historyKeymap, indentLess, indentMore } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension, type StateCommand } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { currentTranslate } from "../../../shared/i18n/messages";
import { keptStore } from "../../../shared/Store";
import { darkHighlight, lightHighlight } from "./highlight";
import { keepsLineEnds, type Parsed } from "./lineEnds";

export const language = new Compartment();
const colours = new Compartment();
const wrapping = new Compartment();

const MAKEFILE = /^(gnu)?makefile(\..*)?$|\.(mk|mak|make)$/i;
const TABBED = /\.(go|tsv)$/i;
const SAMPLE_LINES = 2_000;
const WIDE = 4;
const TAB_WIDTH = 8;

/** What one level of indentation is in a file: what its lines have; in a Makefile nothing but a tab will do. */
export function indentOf(name: string, text: string): string {
  if (MAKEFILE.test(name) || TABBED.test(name)) return "\t";
  let tabs = 0;
  let narrow = 0;
  let wide = 0;
  for (const line of text.split("\n", SAMPLE_LINES)) {
    if (line.startsWith("\t")) tabs += 1;
    const { length } = /^ */.exec(line)?.[0] ?? "";
    if (length > 1) {
      if (length % WIDE === 0) wide += 1;
      else narrow += 1;
    }
  }
  if (tabs > narrow + wide) return "\t";
  const isWide = narrow === 0 && (wide > 0 || name.endsWith(".py"));
  return isWide ? "    " : "  ";
}

/** Tab: indents what is selected; with nothing selected it types one level of indentation where the cursor is. */
const insertIndent: StateCommand = ({ state, dispatch }) => {
  if (state.selection.ranges.some((range) => !range.empty)) return indentMore({ state, dispatch });
  const change = state.replaceSelection(state.facet(indentUnit));
  dispatch(state.update(change, { scrollIntoView: true, userEvent: "input" }));
  return true;
};

function inTheme(): Extension {
  const isDark = document.documentElement.dataset.theme === "dark";
  return [
    syntaxHighlighting(isDark ? darkHighlight : lightHighlight),
    EditorView.theme({}, { dark: isDark }),
  ];
}

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

/** Whether lines that are longer than the editor is wide go on below. */
export const wrapsLines = keptStore("nixws.wrapLines", false, isBoolean);

const inWidth = (): Extension => (wrapsLines.get() ? EditorView.lineWrapping : []);

/** Lets an editor's lines wrap as it is chosen; returns the way to stop that. */
export function followWrapping(view: EditorView): () => void {
  const apply = () => view.dispatch({ effects: wrapping.reconfigure(inWidth()) });
  apply();
  return wrapsLines.subscribe(apply);
}

/** Puts the cursor at the beginning of a line, and the line in the middle. */
export function goToLine(view: EditorView, line: number): void {
  const { from } = view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines));
  view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
  view.focus();
}

/** Keeps an editor's colours those of the page; returns the way to stop that. */
export function followTheme(view: EditorView): () => void {
  const apply = () => view.dispatch({ effects: colours.reconfigure(inTheme()) });
  // A state that is shown again may be of another theme.
  apply();
  const observer = new MutationObserver(apply);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => observer.disconnect();
}

/** What happens in an editor; belongs to a state, which may be shown again by another component. */
export interface EditorEvents {
  onSave: () => void;
  onChange: (state: EditorState) => void;
}

/** The state of an editor for a text. */
export function editorState(name: string, text: Parsed, events: EditorEvents): EditorState {
  const indent = indentOf(name, text.doc);
  const saveKey = {
    key: "Mod-s",
    run: () => {
      events.onSave();
      return true;
    },
  };
  const extensions: Extension = [
    lineNumbers(),
    history(),
    drawSelection(),
    indentOnInput(),
    indentUnit.of(indent),
    EditorState.tabSize.of(indent === "\t" ? TAB_WIDTH : indent.length),
    bracketMatching(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    colours.of(inTheme()),
    wrapping.of(inWidth()),
    keymap.of([
      saveKey,
      { key: "Tab", run: insertIndent, shift: indentLess },
      ...defaultKeymap,
      ...historyKeymap,
      ...searchKeymap,
    ]),
    EditorView.contentAttributes.of({
      "aria-label": currentTranslate()("files.editor", { name }),
      tabindex: "0",
    }),
    EditorView.updateListener.of((update) => update.docChanged && events.onChange(update.state)),
    keepsLineEnds(text.odd),
    language.of([]),
  ];
  return EditorState.create({ doc: text.doc, extensions });
}
