import { HighlightStyle } from "@codemirror/language";
import { tags } from "@lezer/highlight";

/** Colours of code on a dark ground, each with a contrast of at least 4.5 to it. */
export const darkHighlight = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "#d7a8ff" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "#a5d6a7" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "#ffcc80" },
  { tag: [tags.comment, tags.meta], color: "#a3aeb7", fontStyle: "italic" },
  { tag: [tags.propertyName, tags.attributeName, tags.labelName], color: "#8fc6ec" },
  { tag: [tags.typeName, tags.className, tags.tagName], color: "#80deea" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], color: "#ffe082" },
  { tag: tags.heading, fontWeight: "bold", color: "#8fc6ec" },
  { tag: tags.link, textDecoration: "underline" },
  { tag: tags.invalid, color: "#ff958a" },
]);
