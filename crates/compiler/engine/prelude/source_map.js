// From a place in the JavaScript that runs to the place in the author's source. All of this is done only when an error is shown.

/** What `init` was told: the file's name in stack traces, the `mappings` of a source map (version 3) or null, and the text where needed. */
const source = { file: "", mappings: null, text: null };

/** Takes the request of `init`: {source, map, file, modules}. The modules themselves are read by the engine's C. */
function remember(request) {
  if (typeof request?.source !== "string" || typeof request.file !== "string") {
    throw new TypeError("a request to build a tool is {source: string, map: string | null, file: string, modules?: {[name]: source}}");
  }
  const modules = request.modules ?? {};
  const isModule = ([name, text]) => /^toolwright:[a-z][a-z0-9_-]*$/.test(name) && !RESERVED_MODULES.includes(name) && typeof text === "string";
  if (typeof modules !== "object" || !Object.entries(modules).every(isModule)) {
    throw new TypeError('`modules` of a request has sources by names like "toolwright:csv"');
  }
  source.file = request.file;
  source.mappings = request.map ?? null;
  // QuickJS counts columns in bytes, and the rest of the world in UTF-16 units. They differ only where a line is not ASCII.
  source.text = /[^\0-\x7F]/.test(request.source) ? request.source : null;
}

/** Names that the engine uses itself. */
const RESERVED_MODULES = ["toolwright:native", "toolwright:prelude"];

/** `place` is {line, column}, both from 1, the column in bytes. Gives the same in the author's source, or undefined. */
function authorPlaces(places) {
  const inText = places.map(({ line, column }) => ({ line, column: columnInText(line, column) }));
  if (source.mappings === null) {
    return inText;
  }
  const segments = readMappings(source.mappings, new Set(inText.map(({ line }) => line)));
  return inText.map(({ line, column }) => findSegment(segments.get(line) ?? [], column - 1));
}

function columnInText(line, column) {
  if (source.text === null) {
    return column;
  }
  const bytes = native.encodeUtf8(source.text.split("\n", line)[line - 1] ?? "");
  return native.decodeUtf8(bytes.subarray(0, column - 1)).length + 1;
}

/** The segment that the column lies in is the last that begins at or before it; before the first, the first. */
function findSegment(segments, column) {
  let found = segments[0];
  for (const segment of segments) {
    if (segment.generatedColumn > column) {
      break;
    }
    found = segment;
  }
  return found && { line: found.line + 1, column: found.column + 1 };
}

const VLQ_DIGITS = new Map(Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", (digit, value) => [digit, value]));

/**
 * Decodes `mappings` (https://tc39.es/ecma426/#sec-mappings): lines end in `;`, segments in `,`, and each number is the difference from the
 * one before in its column. Lines are counted from 1; columns and the author's lines from 0, as they are in there.
 */
function readMappings(mappings, wantedLines) {
  const lastLine = Math.max(...wantedLines);
  const found = new Map();
  let line = 1, segments = [], fields = [], number = 0, shift = 0;
  const at = { generatedColumn: 0, line: 0, column: 0 };
  const endSegment = () => {
    at.generatedColumn += fields[0] ?? 0;
    if (fields.length >= 4) {
      at.line += fields[2];
      at.column += fields[3];
      segments.push({ ...at });
    }
    fields = [];
  };
  for (const digit of mappings) {
    if (digit === ",") {
      endSegment();
    } else if (digit === ";") {
      endSegment();
      if (wantedLines.has(line)) {
        found.set(line, segments);
      }
      if (line >= lastLine) {
        return found;
      }
      line += 1;
      segments = [];
      at.generatedColumn = 0;
    } else {
      const value = VLQ_DIGITS.get(digit) ?? 0;
      number |= (value & 31) << shift;
      shift += 5;
      if ((value & 32) === 0) {
        fields.push(number & 1 ? -(number >>> 1) : number >>> 1);
        number = shift = 0;
      }
    }
  }
  endSegment();
  return wantedLines.has(line) ? found.set(line, segments) : found;
}
