// Comma-separated values (RFC 4180), by papaparse.
import Papa from "papaparse";

export function parse(text, options = {}) {
  const { header = true, delimiter = "", quote = '"', skipEmptyLines = true, trim = false } = options;
  const tidy = trim ? (value) => value.trim() : undefined;
  const read = Papa.parse(String(text).replace(/^\uFEFF/, ""), {
    header,
    delimiter,
    quoteChar: quote,
    skipEmptyLines,
    transformHeader: tidy,
    transform: tidy,
  });
  // A delimiter that could not be guessed is a text of one column.
  const fault = read.errors.find((error) => error.type === "Quotes");
  if (fault !== undefined) throw new SyntaxError(`the CSV is broken in row ${(fault.row ?? 0) + 1}: ${fault.message}`);
  return read.data;
}

export function stringify(rows, options = {}) {
  const { header = true, delimiter = ",", newline = "\n", columns, escapeFormulas = false } = options;
  return Papa.unparse(rows, { header, delimiter, newline, columns, escapeFormulae: escapeFormulas });
}
