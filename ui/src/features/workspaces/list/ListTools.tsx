import { memo, type ReactNode, type RefObject } from "react";
import { Columns3 } from "lucide-react";
import { useT } from "../../../shared/i18n/messages";
import { lazily } from "../../../shared/lazily";
import { PRESETS, type Preset, presetOf, valuesOf, withPreset, withTerm } from "./filter/query";

const ViewMenu = lazily(async () => (await import("./ViewMenu")).default, {
  kind: "part",
  fallback: () => (
    <span className="icon-button">
      <Columns3 aria-hidden size={18} />
    </span>
  ),
});

/** The same element each time: React does not look into it again. */
const VIEW_MENU = <ViewMenu />;

interface FilterProps {
  inputRef: RefObject<HTMLInputElement | null>;
  text: string;
  onText: (text: string) => void;
  /** Somebody leaves the words for what they have found. */
  onKey: (key: "ArrowDown" | "Enter") => void;
}

/** The filter as words: everything that the choices beside it say stands in it as well. */
export function FilterBox({ inputRef, text, onText, onKey }: FilterProps) {
  const t = useT();
  return (
    <input
      ref={inputRef}
      type="search"
      className="filter-text"
      aria-label={t("list.filter")}
      placeholder={t("list.filterHint")}
      spellCheck={false}
      autoComplete="off"
      value={text}
      onChange={(event) => onText(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Escape") onText("");
        if (event.key !== "ArrowDown" && event.key !== "Enter") return;
        event.preventDefault();
        onKey(event.key);
      }}
    />
  );
}

const NAMES = Object.keys(PRESETS) as Preset[];

interface PresetChipsProps {
  /** How many workspaces each has. */
  counts: Readonly<Record<Preset, number>>;
  text: string;
  onText: (text: string) => void;
}

/** Ready-made filters with how many each has. */
export const PresetChips = memo(function PresetChips({ counts, text, onText }: PresetChipsProps) {
  const t = useT();
  const chosen = presetOf(text);
  return (
    <div className="preset-chips" role="group" aria-label={t("list.presets")}>
      {NAMES.map((preset) => (
        <button
          key={preset}
          type="button"
          className="chip"
          aria-pressed={preset === chosen}
          data-failing={preset === "failing" && counts.failing > 0}
          onClick={() => onText(withPreset(text, preset))}
        >
          {t(`list.preset.${preset}`)} <b>{counts[preset].toLocaleString(t.locale)}</b>
        </button>
      ))}
    </div>
  );
});

interface TemplateChoiceProps {
  templates: readonly string[];
  text: string;
  onText: (text: string) => void;
}

const TemplateChoice = memo(function TemplateChoice({ templates, text, onText }: TemplateChoiceProps) {
  const t = useT();
  const [template = ""] = valuesOf(text, "template");
  return (
    <select
      className="template-choice"
      aria-label={t("list.template")}
      value={templates.includes(template) ? template : ""}
      onChange={(event) => onText(withTerm(text, "template", event.target.value))}
    >
      <option value="">{t("list.anyTemplate")}</option>
      {templates.map((one) => (
        <option key={one}>{one}</option>
      ))}
    </select>
  );
});

interface ListToolsProps extends PresetChipsProps {
  templates: readonly string[];
  /** The filter as words, which follow the keys at once; the rest follows once there is time. */
  box: ReactNode;
}

/** What the list shows and how. */
export function ListTools({ templates, counts, text, onText, box }: ListToolsProps) {
  return (
    <search className="list-tools">
      <PresetChips counts={counts} text={text} onText={onText} />
      <span className="list-tools-rest">
        <TemplateChoice templates={templates} text={text} onText={onText} />
        {box}
        {VIEW_MENU}
      </span>
    </search>
  );
}
