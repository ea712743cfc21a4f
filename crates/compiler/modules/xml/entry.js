// XML as plain objects, by fast-xml-parser. Documents that declare entities are refused: they are how a small text becomes a large one.
import { XMLBuilder, XMLParser, XMLValidator } from "fast-xml-parser";

// What may stand before a document type declaration, and the `[` with which its own declarations begin.
const OWN_DECLARATIONS = /^\uFEFF?(?:\s|<\?[^]*?\?>|<!--[^]*?-->)*<!DOCTYPE[^[>]*\[/i;

const NAMED = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

// Of XML itself (section 4.6) and by number; what else a text names stays as it is.
const entityDecoder = {
  decode: (text) =>
    text.replace(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(lt|gt|amp|quot|apos));/g, (whole, decimal, hex, name) => {
      if (name !== undefined) return NAMED[name];
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    }),
  setExternalEntities() {},
  addInputEntities() {},
  setXmlVersion() {},
  reset() {},
};

export function parse(text, options = {}) {
  const { arrays = [], numbers = false, trim = true } = options;
  text = String(text);
  if (OWN_DECLARATIONS.test(text)) throw new SyntaxError("the XML declares types or entities of its own, which are not read");
  const checked = XMLValidator.validate(text);
  if (checked !== true) throw new SyntaxError(`the XML is broken in line ${checked.err.line}, column ${checked.err.col}: ${checked.err.msg}`);
  const wanted = new Set(arrays);
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    textNodeName: "#text",
    parseTagValue: numbers,
    parseAttributeValue: numbers,
    trimValues: trim,
    entityDecoder,
    isArray: (name) => wanted.has(name),
  });
  return parser.parse(text);
}

export function stringify(value, options = {}) {
  const { indent = 2 } = options;
  const builder = new XMLBuilder({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    textNodeName: "#text",
    format: indent > 0,
    indentBy: " ".repeat(indent),
    suppressEmptyNode: true,
    suppressBooleanAttributes: false,
  });
  return builder.build(value);
}
