import { fillForm, useFormDraft } from "./formDraft";

export const START = {
  name: "",
  template: "development",
  cpu: "2",
  memory: "4",
  storage: "20",
  git: "",
  network: "",
  allow: "",
};

/** What is filled into the form for a new workspace, as it was typed. */
export interface CreationDraft {
  form: typeof START;
  packages: readonly string[];
  /** What stands in the search for packages. */
  search: string;
}

export const NO_DRAFT: CreationDraft = { form: START, packages: [], search: "" };

const NAME = "create";

function isDraft(value: unknown): value is CreationDraft {
  const filled = value as CreationDraft | null;
  return (
    Array.isArray(filled?.packages) &&
    typeof filled.search === "string" &&
    Object.keys(START).every((name) => typeof (filled.form as Record<string, unknown>)[name] === "string")
  );
}

export const useCreationDraft = () => useFormDraft(NAME, isDraft);

/** Chooses the template of the next new workspace; what is filled in already stays. */
export const draftTemplate = (template: string): void =>
  fillForm(NAME, (before) => {
    const draft = isDraft(before) ? before : NO_DRAFT;
    return { ...draft, form: { ...draft.form, template } };
  });
