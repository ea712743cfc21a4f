const LEVEL_DEBUG = 0;
const LEVEL_INFO = 1;
const LEVEL_WARN = 2;
const LEVEL_ERROR = 3;

function writeLine(level, values) {
  native.log(level, formatLine(values));
}

/** Each call is one line of the call's log, however many lines of text it has. */
const consoleObject = {
  log(...values) {
    writeLine(LEVEL_INFO, values);
  },
  info(...values) {
    writeLine(LEVEL_INFO, values);
  },
  debug(...values) {
    writeLine(LEVEL_DEBUG, values);
  },
  warn(...values) {
    writeLine(LEVEL_WARN, values);
  },
  error(...values) {
    writeLine(LEVEL_ERROR, values);
  },
  trace(...values) {
    const frames = readFrames(new Error().stack).map(frameText);
    native.log(LEVEL_DEBUG, ["Trace" + (values.length > 0 ? `: ${formatLine(values)}` : ""), ...frames].join("\n"));
  },
  assert(condition, ...values) {
    if (!condition) {
      native.log(LEVEL_ERROR, values.length > 0 ? `Assertion failed: ${formatLine(values)}` : "Assertion failed");
    }
  },
  table(rows, columns) {
    writeLine(LEVEL_INFO, [typeof rows === "object" && rows !== null ? tableText(rows, columns) : rows]);
  },
};
Object.defineProperty(consoleObject, Symbol.toStringTag, { value: "console", configurable: true });
defineGlobal("console", consoleObject);

/** Rows as lines, a column for each member that any row has, and one for rows that are plain values. */
function tableText(rows, columns) {
  const entries = Object.entries(rows).slice(0, INSPECT_ITEMS_MAX);
  const isRecord = (row) => typeof row === "object" && row !== null;
  const keys = columns ?? [...new Set(entries.flatMap(([, row]) => (isRecord(row) ? Object.keys(row) : [])))];
  const hasPlainRow = entries.some(([, row]) => !isRecord(row));
  const cells = entries.map(([index, row]) => {
    const members = keys.map((key) => (isRecord(row) && Object.hasOwn(row, key) ? inspect(row[key]) : ""));
    return [index, ...members, ...(hasPlainRow ? [isRecord(row) ? "" : inspect(row)] : [])];
  });
  const lines = [["(index)", ...keys.map(String), ...(hasPlainRow ? ["Values"] : [])], ...cells];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join(" | ").trimEnd()).join("\n");
}
