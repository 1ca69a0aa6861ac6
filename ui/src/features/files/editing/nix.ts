import { LanguageSupport } from "@codemirror/language";
import { styleTags, tags } from "@lezer/highlight";
import { nixLanguage } from "@replit/codemirror-lang-nix";

/** What a name is tells its place: the language itself marks all names alike, and no operators. */
const places = styleTags({
  Identifier: tags.variableName,
  "Bind/AttrPath/Identifier": tags.definition(tags.propertyName),
  "Bind/AttrPath/String!": tags.definition(tags.propertyName),
  "Select/AttrPath/Identifier AttrPath/Identifier": tags.propertyName,
  "Formal/Identifier": tags.definition(tags.variableName),
  "Function/Identifier": tags.definition(tags.variableName),
  "App/Identifier": tags.function(tags.variableName),
  "Path HPath SPath URI": tags.url,
  builtins: tags.standard(tags.variableName),
  "if then else": tags.controlKeyword,
  "assert with let in rec inherit or import": tags.keyword,
  Ellipses: tags.punctuation,
});

const coloured = nixLanguage.configure({ props: [places] });

/** Nix, with colours for what names stand for. */
export const nix = (): LanguageSupport => new LanguageSupport(coloured);
