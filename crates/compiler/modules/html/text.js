// What of a document is text for a reader.

const UNSEEN = new Set(["script", "style", "template", "noscript", "head", "title", "iframe", "object", "svg", "canvas", "audio", "video", "select", "textarea"]);

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
  for (const { node, isEnd } of walk(root, (node) => node !== root && (isUnseen(node) || node.name === "pre"))) {
    if (node.type === "text") add(joinBlanks(node.data));
    else if (node.name === "br" || isBlock(node)) breakLine();
    else if (isEnd && (node.name === "td" || node.name === "th")) add(" ");
    if (node.name === "pre" && node !== root && !isEnd) lines.push(...readLines(node).split("\n"), "");
  }
  return lines.map((line) => line.trimEnd()).join("\n").trim();
}

/** The text of a `pre`, blanks and all. */
export function readLines(root) {
  let text = "";
  for (const { node, isEnd } of walk(root, () => false)) {
    if (node.type === "text") text += node.data;
    else if (node.name === "br" && !isEnd) text += "\n";
  }
  return text;
}

/** Every node, before and after what is in it, without a call for each level: pages nest as deep as they like. */
function* walk(root, isLeaf) {
  const waiting = [{ node: root, isEnd: false }];
  while (waiting.length > 0) {
    const visit = waiting.pop();
    yield visit;
    const { node, isEnd } = visit;
    if (isEnd || node.type === "text" || isLeaf(node)) continue;
    waiting.push({ node, isEnd: true });
    for (const child of (node.children ?? []).toReversed()) waiting.push({ node: child, isEnd: false });
  }
}
