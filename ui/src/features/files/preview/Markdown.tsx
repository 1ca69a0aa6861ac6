import { Link } from "@tanstack/react-router";
import type { SyntaxNode } from "@lezer/common";
import { GFM, parser } from "@lezer/markdown";
import { createElement, Fragment, type ReactNode } from "react";
import { WideBox } from "../../../ui/WideBox";
import { addressOf } from "./linked";

const reader = parser.configure(GFM);
const ENTITIES: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00A0",
  copy: "©",
  mdash: "—",
  ndash: "–",
  hellip: "…",
};
/** Nodes that are marks of what they stand in, and no text. */
const MARKS =
  /^(HeaderMark|QuoteMark|ListMark|LinkMark|EmphasisMark|CodeMark|CodeInfo|LinkTitle|LinkLabel|StrikethroughMark|TableDelimiter|TaskMarker|LinkReference|Comment|CommentBlock|ProcessingInstruction|ProcessingInstructionBlock)$/;
const TAGS: Record<string, string> = {
  Paragraph: "p",
  Blockquote: "blockquote",
  BulletList: "ul",
  OrderedList: "ol",
  Emphasis: "em",
  StrongEmphasis: "strong",
  Strikethrough: "del",
  Subscript: "sub",
  Superscript: "sup",
};

interface MarkdownProps {
  text: string;
  /** The file's own path; what it links to lies beside it. */
  path: string;
}

interface Source {
  text: string;
  path: string;
  /** Targets of links that are named elsewhere, by their labels. */
  references: ReadonlyMap<string, string>;
}

/**
 * A Markdown text as it is meant. It is made of elements and texts only: what is HTML in it is shown as text, pictures are
 * named instead of fetched, and links lead to web pages, mail and files of the workspace only.
 */
export default function Markdown({ text, path }: MarkdownProps) {
  const tree = reader.parse(text);
  const references = new Map<string, string>();
  for (let node = tree.topNode.firstChild; node; node = node.nextSibling) {
    const label = node.name === "LinkReference" && node.getChild("LinkLabel");
    const url = node.getChild("URL");
    if (label && url) references.set(labelOf(text.slice(label.from, label.to)), text.slice(url.from, url.to));
  }
  return <div className="markdown">{inside(tree.topNode, { text, path, references })}</div>;
}

const labelOf = (label: string): string =>
  label
    .replace(/^\[|\]$/g, "")
    .trim()
    .toLowerCase();

/** What stands in a node: texts and the nodes between them. */
function inside(node: SyntaxNode, source: Source, from = node.from, to = node.to): ReactNode[] {
  const parts: ReactNode[] = [];
  let at = from;
  const addText = (end: number) => {
    if (end > at && node.name !== "Document" && !isBlockHolder(node.name))
      parts.push(source.text.slice(at, end));
  };
  for (let child = node.firstChild; child; child = child.nextSibling) {
    if (child.to <= from || child.from >= to) continue;
    addText(child.from);
    parts.push(<Fragment key={child.from}>{drawn(child, source)}</Fragment>);
    at = child.to;
  }
  addText(to);
  return parts;
}

const isBlockHolder = (name: string): boolean =>
  /List$|^ListItem$|^Blockquote$|^Table/.test(name) && name !== "TableCell";

function drawn(node: SyntaxNode, source: Source): ReactNode {
  const { text } = source;
  const whole = text.slice(node.from, node.to);
  const heading = /^(?:ATX|Setext)Heading(\d)$/.exec(node.name);
  // The page has its own headings above: those of a file begin below them.
  if (heading)
    return createElement(
      `h${Math.min(6, Number(heading[1]) + 2)}`,
      { "data-level": heading[1] },
      trimmed(node, source),
    );
  const tag = TAGS[node.name];
  if (tag) return createElement<{ start?: number }>(tag, startOf(node, text), inside(node, source));
  if (MARKS.test(node.name)) return null;
  switch (node.name) {
    case "ListItem":
      return <li>{item(node, source)}</li>;
    case "Task":
      return (
        <label className="markdown-task">
          <input type="checkbox" disabled checked={/^\[[xX]\]/.test(whole)} readOnly />
          <span>{inside(node, source)}</span>
        </label>
      );
    case "FencedCode":
    case "CodeBlock":
      return (
        <pre>
          <code>
            {node
              .getChildren("CodeText")
              .map((one) => text.slice(one.from, one.to))
              .join("")}
          </code>
        </pre>
      );
    case "InlineCode":
      return <code>{whole.replace(/^`+|`+$/g, "").trim()}</code>;
    case "HorizontalRule":
      return <hr />;
    case "HardBreak":
      return <br />;
    case "Escape":
      return whole.slice(1);
    case "Entity":
      return entity(whole);
    case "HTMLBlock":
      return <pre className="markdown-html">{whole}</pre>;
    case "HTMLTag":
      return <code className="markdown-html">{whole}</code>;
    case "Link":
    case "Image":
      return link(node, source);
    case "Autolink":
      return anchor(whole.replace(/^<|>$/g, ""), whole.replace(/^<|>$/g, ""), source.path);
    case "URL":
      return anchor(whole, whole, source.path);
    case "Table":
      return table(node, source);
    default:
      return whole;
  }
}

const startOf = (node: SyntaxNode, text: string): { start?: number } => {
  const number =
    node.name === "OrderedList" ? /^\s*(\d+)/.exec(text.slice(node.from, node.to))?.[1] : undefined;
  return number === undefined ? {} : { start: Number(number) };
};

/** A heading without its marks and the space beside them. */
const trimmed = (node: SyntaxNode, source: Source): ReactNode[] =>
  inside(node, source).map((part) => (typeof part === "string" ? part.replace(/^ +(?=\S)/, "") : part));

/** A list's item: its only paragraph is no paragraph. */
function item(node: SyntaxNode, source: Source): ReactNode {
  const blocks: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling)
    if (!MARKS.test(child.name)) blocks.push(child);
  return blocks.map((block, index) => (
    <Fragment key={block.from}>
      {index === 0 && block.name === "Paragraph" ? inside(block, source) : drawn(block, source)}
    </Fragment>
  ));
}

function entity(whole: string): string {
  const name = whole.slice(1, -1);
  const code =
    name.startsWith("#x") || name.startsWith("#X")
      ? Number.parseInt(name.slice(2), 16)
      : name.startsWith("#")
        ? Number.parseInt(name.slice(1), 10)
        : Number.NaN;
  if (code > 0 && code <= 0x10_ff_ff) return String.fromCodePoint(code);
  return ENTITIES[name] ?? whole;
}

function link(node: SyntaxNode, source: Source): ReactNode {
  const marks = node.getChildren("LinkMark");
  const [open, close] = marks;
  const words =
    open && close ? inside(node, source, open.to, close.from) : [source.text.slice(node.from, node.to)];
  const label = node.getChild("LinkLabel");
  const named = label
    ? source.text.slice(label.from, label.to)
    : source.text.slice(open?.to ?? 0, close?.from ?? 0);
  const url = node.getChild("URL");
  const target = url
    ? source.text.slice(url.from, url.to).replace(/^<|>$/g, "")
    : source.references.get(
        labelOf(named === "[]" ? source.text.slice(open?.to ?? 0, close?.from ?? 0) : named),
      );
  if (node.name === "Image") {
    return (
      <span className="markdown-image">
        🖼 {target === undefined ? words : anchor(target, words, source.path)}
      </span>
    );
  }
  return target === undefined ? source.text.slice(node.from, node.to) : anchor(target, words, source.path);
}

function anchor(target: string, words: ReactNode, path: string): ReactNode {
  const to = addressOf(target, path);
  if (to === null) return words;
  if ("href" in to) {
    return (
      <a href={to.href} target="_blank" rel="noopener noreferrer">
        {words}
      </a>
    );
  }
  return (
    <Link to="." search={({ line: _, ...before }: Record<string, unknown>) => ({ ...before, file: to.file })}>
      {words}
    </Link>
  );
}

function table(node: SyntaxNode, source: Source): ReactNode {
  const cells = (row: SyntaxNode, tag: "th" | "td") =>
    row.getChildren("TableCell").map((cell) => createElement(tag, { key: cell.from }, inside(cell, source)));
  const head = node.getChild("TableHeader");
  return (
    <WideBox>
      <table className="table">
        {head && (
          <thead>
            <tr>{cells(head, "th")}</tr>
          </thead>
        )}
        <tbody>
          {node.getChildren("TableRow").map((row) => (
            <tr key={row.from}>{cells(row, "td")}</tr>
          ))}
        </tbody>
      </table>
    </WideBox>
  );
}
