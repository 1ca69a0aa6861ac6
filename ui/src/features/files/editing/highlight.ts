import { HighlightStyle } from "@codemirror/language";
import { tags } from "@lezer/highlight";

interface Colours {
  keyword: string;
  string: string;
  literal: string;
  comment: string;
  property: string;
  definition: string;
  type: string;
  call: string;
  path: string;
  wrong: string;
}

const styleOf = (colours: Colours) =>
  HighlightStyle.define([
    {
      tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword, tags.modifier, tags.definitionKeyword],
      color: colours.keyword,
    },
    { tag: [tags.string, tags.special(tags.string), tags.regexp], color: colours.string },
    { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.escape], color: colours.literal },
    { tag: [tags.comment, tags.meta], color: colours.comment, fontStyle: "italic" },
    { tag: [tags.propertyName, tags.attributeName, tags.labelName], color: colours.property },
    {
      tag: [tags.definition(tags.propertyName), tags.definition(tags.variableName)],
      color: colours.definition,
    },
    { tag: [tags.typeName, tags.className, tags.tagName, tags.namespace], color: colours.type },
    {
      tag: [
        tags.function(tags.variableName),
        tags.function(tags.propertyName),
        tags.standard(tags.variableName),
      ],
      color: colours.call,
    },
    { tag: [tags.url, tags.link], color: colours.path },
    { tag: tags.heading, fontWeight: "bold", color: colours.definition },
    { tag: tags.strong, fontWeight: "bold" },
    { tag: tags.emphasis, fontStyle: "italic" },
    { tag: tags.strikethrough, textDecoration: "line-through" },
    { tag: tags.invalid, color: colours.wrong },
  ]);

/** Colours of code on a dark ground, each with a contrast of at least 4.5 to it. */
export const darkHighlight = styleOf({
  keyword: "#d7a8ff",
  string: "#a5d6a7",
  literal: "#ffcc80",
  comment: "#a3aeb7",
  property: "#8fc6ec",
  definition: "#b8dcf7",
  type: "#80deea",
  call: "#ffe082",
  path: "#f2b8a0",
  wrong: "#ff958a",
});

/** The same on a light one. */
export const lightHighlight = styleOf({
  keyword: "#7a2fb5",
  string: "#1a6b2c",
  literal: "#9a4b00",
  comment: "#5b6873",
  property: "#1f5a82",
  definition: "#0b4a8f",
  type: "#00646e",
  call: "#7a5200",
  path: "#a03d1c",
  wrong: "#b3261e",
});
