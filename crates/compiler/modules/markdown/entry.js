// Markdown to HTML, by marked. What a text cannot do here: bring HTML of its own, or links that run code.
import { Marked } from "marked";

const HARMLESS = /^(?:https?:|mailto:|tel:|[^:]*(?:[/?#]|$))/i;

function escape(text) {
  return String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function isHarmless(url) {
  // Browsers read `javascript&colon;` as they read `javascript:`, and skip control characters and spaces in a scheme.
  if (/&(?:#|colon|tab|newline)/i.test(url)) return false;
  return HARMLESS.test(String(url).replace(/[\u0000-\u0020]/g, ""));
}

const renderer = {
  html({ text }) {
    return escape(text);
  },
  link({ href, tokens }) {
    return isHarmless(href) ? false : this.parser.parseInline(tokens);
  },
  image({ href, text }) {
    return isHarmless(href) ? false : escape(text);
  },
};

export function toHtml(text, options = {}) {
  const { breaks = false } = options;
  return new Marked({ gfm: true, breaks, renderer }).parse(String(text));
}

export function tokens(text) {
  return new Marked({ gfm: true }).lexer(String(text));
}
