// HTML as pages have it: found by CSS selectors, read as text or Markdown. By htmlparser2 and css-select.
import { selectAll as findAll, selectOne as findOne } from "css-select";
import render from "dom-serializer";
import { removeElement } from "domutils";
import { parseDocument } from "htmlparser2";

import { toMarkdown as writeMarkdown } from "./markdown.js";
import { isElement, readText } from "./text.js";

export class Element {
  #node;

  constructor(node) {
    this.#node = node;
  }

  /** For the functions of this module; a node of htmlparser2. */
  static nodeOf(element) {
    return element.#node;
  }

  /** In lower case; empty for a whole document. */
  get name() {
    return this.#node.name ?? "";
  }

  get attributes() {
    return { ...this.#node.attribs };
  }

  attribute(name) {
    return this.#node.attribs?.[name.toLowerCase()];
  }

  /** As a reader sees it: scripts left out, blanks joined, blocks on lines of their own. */
  get text() {
    return readText(this.#node);
  }

  get html() {
    return render(this.#node);
  }

  get innerHtml() {
    return render(this.#node.children);
  }

  get children() {
    return this.#node.children.filter(isElement).map((node) => new Element(node));
  }

  get parent() {
    const { parent } = this.#node;
    return parent ? new Element(parent) : undefined;
  }

  /** The elements below this one that the CSS selector finds. */
  select(selector) {
    return findAll(selector, this.#node.children).map((node) => new Element(node));
  }

  selectOne(selector) {
    const node = findOne(selector, this.#node.children);
    return node ? new Element(node) : undefined;
  }

  /** Takes it out of its document. */
  remove() {
    removeElement(this.#node);
  }
}

export function parse(html) {
  return new Element(parseDocument(String(html)));
}

export function select(html, selector) {
  return rooted(html).select(selector);
}

export function selectOne(html, selector) {
  return rooted(html).selectOne(selector);
}

export function toText(html) {
  return rooted(html).text;
}

export function toMarkdown(html, options = {}) {
  const { baseUrl, images = true } = options;
  return writeMarkdown(Element.nodeOf(rooted(html)), { baseUrl, images });
}

export function escape(text) {
  return String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function rooted(html) {
  return html instanceof Element ? html : parse(html);
}
