// HTML to Markdown (CommonMark with tables): what a page says, without how it looks.

import { isBlock, isElement, isUnseen, joinBlanks, readLines } from "./text.js";

const HEADINGS = { h1: 1, h2: 2, h3: 3, h4: 4, h5: 5, h6: 6 };
const STRONG = { strong: "**", b: "**", em: "_", i: "_", del: "~~", s: "~~" };

// Deeper than any page that is read; a page that is written to be deep ends here and not in an overflow.
const DEPTH_MAX = 400;

export function toMarkdown(root, options) {
  const blocks = writeBlocks(root.children ?? [], { ...options, depth: 0 });
  return blocks.join("\n\n");
}

/** Nodes as blocks, each a text of one or more lines. What stands between blocks makes a paragraph. */
function writeBlocks(nodes, options) {
  const blocks = [];
  let paragraph = [];
  const end = () => {
    const text = tidy(writeInline(paragraph, options));
    if (text !== "") blocks.push(text);
    paragraph = [];
  };
  const inner = { ...options, depth: options.depth + 1 };
  for (const node of nodes) {
    if (isUnseen(node)) continue;
    if (isBlock(node)) {
      end();
      if (inner.depth <= DEPTH_MAX) blocks.push(...writeBlock(node, inner));
    } else if (isElement(node) && inner.depth <= DEPTH_MAX && holdsBlock(node)) {
      end();
      blocks.push(...writeBlocks(node.children, inner));
    } else {
      paragraph.push(node);
    }
  }
  end();
  return blocks;
}

/** A link or a `span` around blocks, as pages have them; looked for a few levels down. */
function holdsBlock(node, levels = 4) {
  return levels > 0 && (node.children ?? []).some((child) => isBlock(child) || holdsBlock(child, levels - 1));
}

function writeBlock(node, options) {
  const { name, children } = node;
  if (name in HEADINGS) {
    const text = tidy(writeInline(children, options)).replace(/\s+/g, " ");
    return text === "" ? [] : [`${"#".repeat(HEADINGS[name])} ${text}`];
  }
  if (name === "hr") return ["---"];
  if (name === "pre") return writeCode(node);
  if (name === "blockquote") return prefix(writeBlocks(children, options), "> ", "> ");
  if (name === "ul" || name === "ol" || name === "menu") return writeList(node, options);
  if (name === "table") return writeTable(node, options);
  if (name === "dt") return writeBlocks(children, options).map((text) => `**${text}**`);
  return writeBlocks(children, options);
}

function writeCode(node) {
  const code = readLines(node).replace(/^\n/, "").replace(/\s+$/, "");
  if (code === "") return [];
  const inner = node.children.find((child) => child.name === "code") ?? node;
  const language = /(?:^|\s)lang(?:uage)?-([\w+#-]+)/.exec(inner.attribs.class ?? "")?.[1] ?? "";
  const fence = "`".repeat(Math.max(3, 1 + longestRun(code)));
  return [`${fence}${language}\n${code}\n${fence}`];
}

function writeList(node, options) {
  const isOrdered = node.name === "ol";
  let number = Number.parseInt(node.attribs.start ?? "1", 10) || 1;
  const items = [];
  for (const item of node.children) {
    if (!isElement(item) || isUnseen(item)) continue;
    const blocks = item.name === "li" ? writeBlocks(item.children, options) : writeBlock(item, options);
    const mark = isOrdered ? `${number}. ` : "- ";
    number += 1;
    // A list below its item's text follows it at once.
    const text = blocks.reduce((text, block) => `${text}${text === "" ? "" : /^(?:- |\d+\. )/.test(block) ? "\n" : "\n\n"}${block}`, "");
    if (text !== "") items.push(indent(text, mark, " ".repeat(mark.length)));
  }
  return items.length === 0 ? [] : [items.join("\n")];
}

function writeTable(table, options) {
  const rows = rowsOf(table).map((row) =>
    row.children.filter((cell) => cell.name === "td" || cell.name === "th").map((cell) => writeCell(cell, options)),
  );
  const filled = rows.filter((row) => row.length > 0);
  const columns = Math.max(0, ...filled.map((row) => row.length));
  if (columns === 0) return [];
  // Pages lay out with tables, too: one column is no table.
  if (columns === 1) return filled.map(([cell]) => cell).filter((cell) => cell !== "");
  const line = (cells) => `| ${Array.from({ length: columns }, (_, at) => cells[at] ?? "").join(" | ")} |`;
  const [head, ...body] = filled;
  return [[line(head), `|${" --- |".repeat(columns)}`, ...body.map(line)].join("\n")];
}

function rowsOf(table) {
  return table.children.flatMap((child) =>
    child.name === "tr" ? [child] : ["thead", "tbody", "tfoot"].includes(child.name) ? rowsOf(child) : [],
  );
}

function writeCell(cell, options) {
  const blocks = writeBlocks(cell.children, { ...options, depth: options.depth + 1 });
  return blocks.join(" ").replace(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}

function writeInline(nodes, options) {
  return nodes.map((node) => writeNode(node, options)).join("");
}

function writeNode(node, options) {
  if (node.type === "text") return escape(joinBlanks(node.data));
  if (!isElement(node) || isUnseen(node) || options.depth > DEPTH_MAX) return "";
  const inner = { ...options, depth: options.depth + 1 };
  const { name, attribs } = node;
  if (name === "br") return "  \n";
  if (name === "img") return writeImage(attribs, options);
  if (name === "code" || name === "kbd" || name === "samp") return writeInlineCode(joinBlanks(readLines(node)));
  const text = writeInline(node.children, inner);
  if (name === "a") return writeLink(text, attribs.href, options);
  return name in STRONG ? wrap(text, STRONG[name]) : text;
}

function writeLink(text, href, options) {
  const url = resolve(href, options);
  const name = text.trim();
  if (url === undefined || name === "") return text;
  return surround(text, `[${name.replace(/\s+/g, " ")}](${url})`);
}

function writeImage({ src, alt = "" }, options) {
  const url = options.images ? resolve(src, options) : undefined;
  const text = escape(joinBlanks(alt).trim());
  return url === undefined || url.startsWith("data:") ? text : `![${text}](${url})`;
}

function writeInlineCode(text) {
  if (text.trim() === "") return text;
  const fence = "`".repeat(longestRun(text) + 1);
  const gap = text.startsWith("`") || text.endsWith("`") ? " " : "";
  return `${fence}${gap}${text.trim()}${gap}${fence}`;
}

/** Links that lead nowhere from outside the page, or run code, are none. */
function resolve(href, { baseUrl }) {
  const target = href?.trim();
  if (!target || target.startsWith("#")) return undefined;
  const url = URL.parse(target, baseUrl);
  if (url === null) return baseUrl === undefined && !/^[a-z][a-z\d+.-]*:/i.test(target) ? protect(target) : undefined;
  return ["http:", "https:", "mailto:", "tel:", "data:"].includes(url.protocol) ? protect(url.href) : undefined;
}

/** Brackets and blanks would end the link. */
function protect(url) {
  return url.replace(/[\s()<>]/g, (sign) => `%${sign.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Marks hold what they stand at: blanks at the ends of the text go outside. */
function wrap(text, mark) {
  const inner = text.trim();
  return inner === "" ? text : surround(text, `${mark}${inner}${mark}`);
}

function surround(text, inner) {
  return `${/^\s/.test(text) ? " " : ""}${inner}${/\s$/.test(text) ? " " : ""}`;
}

function escape(text) {
  return text.replace(/[\\`*_[\]<]/g, "\\$&");
}

/** A paragraph whose text happens to look like a list, a heading or a quote is none. */
function tidy(text) {
  const lines = text.replace(/ *\n */g, (found) => (found.startsWith("  ") ? "  \n" : "\n")).replace(/(\S) {2,}(?=\S)/g, "$1 ");
  return lines.trim().replace(/^(#{1,6} |[-+] |>|\d+[.)] )/gm, (found) => (/^\d/.test(found) ? found.replace(/[.)]/, "\\$&") : `\\${found}`));
}

function prefix(blocks, first, rest) {
  return blocks.length === 0 ? [] : [indent(blocks.join("\n\n"), first, rest)];
}

function indent(text, first, rest) {
  return text.split("\n").map((line, at) => (at === 0 ? first + line : line === "" ? rest.trimEnd() : rest + line)).join("\n");
}

function longestRun(text) {
  return Math.max(0, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
}
