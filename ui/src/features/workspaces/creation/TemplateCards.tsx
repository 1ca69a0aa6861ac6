import type { Template } from "../../../api/types";
import { useT } from "../../../shared/i18n/messages";
import { templateTexts } from "../../../shared/i18n/names";

interface TemplateCardsProps {
  templates: readonly Template[];
  chosen: string;
  onChoose: (name: string) => void;
  problem: string | undefined;
}

/** The bases that a workspace can be made from. */
export function TemplateCards({ templates, chosen, onChoose, problem }: TemplateCardsProps) {
  const t = useT();
  return (
    <fieldset className="template-cards">
      <legend>{t("create.template")}</legend>
      {templates.map((template) => {
        const { title, description } = templateTexts(t, template);
        return (
          <label key={template.name} className="template-card">
            <input
              type="radio"
              name="template"
              value={template.name}
              checked={template.name === chosen}
              onChange={() => onChoose(template.name)}
            />
            <strong>{title}</strong>
            <span>{description}</span>
          </label>
        );
      })}
      {problem && <p className="field-problem">{problem}</p>}
    </fieldset>
  );
}
