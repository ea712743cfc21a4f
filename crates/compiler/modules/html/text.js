// What of a document is text for a reader.

const UNSEEN = new Set(["script", "style", "template", "noscript", "head", "iframe", "object", "svg", "canvas", "audio", "video", "select", "textarea"]);

const BLOCKS = new Set([
  "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure",
  "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre",
  "search", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
]);

export function isElement(node) {
  return node.type === "tag" || node.type === "script" || node.type === "style";
}

export function isUnseen(node) {
  return isElement(node) && (UNSEEN.has(node.name) || "hidden" in node.attribs);
}

export function isBlock(node) {
  return isElement(node) && BLOCKS.has(node.name);
}

/** Blanks count once, wherever they stand, as browsers show them. A no-break space is no blank. */
export function joinBlanks(text) {
  return text.replace(/[\t\n\f\r ]+/g, " ");
}

export function readText(root) {
  const lines = [""];
  const breakLine = () => {
    if (lines[lines.length - 1] !== "") lines.push("");
  };
  const add = (text) => {
    const line = lines[lines.length - 1];
    lines[lines.length - 1] = line === "" || line.endsWith(" ") ? line + text.replace(/^ /, "") : line + text;
  };
  const visit = (node) => {
    if (node.type === "text") return add(joinBlanks(node.data));
    if (isUnseen(node) && node !== root) return undefined;
    if (node.name === "br") return breakLine();
    if (node.name === "pre") {
      breakLine();
      lines.push(...readLines(node).split("\n"), "");
      return undefined;
    }
    const stands = isBlock(node);
    if (stands) breakLine();
    for (const child of node.children ?? []) visit(child);
    if (node.name === "td" || node.name === "th") add(" ");
    if (stands) breakLine();
    return undefined;
  };
  visit(root);
  return lines.map((line) => line.trimEnd()).join("\n").trim();
}

/** The text of a `pre`, blanks and all. */
export function readLines(node) {
  if (node.type === "text") return node.data;
  if (node.name === "br") return "\n";
  return (node.children ?? []).map(readLines).join("");
}
