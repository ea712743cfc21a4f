// Answers questions about a table given as CSV (RFC 4180): filters, groups with aggregates, order, columns.
import { tool, ToolError } from "toolwright";

type Row = Record<string, string>;
type Cell = string | number | null;
type Operator = "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "is_empty" | "is_not_empty";
type AggregateFunction = "count" | "count_distinct" | "sum" | "average" | "median" | "min" | "max";

interface Filter {
  column: string;
  operator: Operator;
  value?: string | number;
}

interface Aggregate {
  function: AggregateFunction;
  column?: string;
  as?: string;
}

interface Query {
  csv: string;
  delimiter?: string;
  filters?: Filter[];
  group_by?: string[];
  aggregates?: Aggregate[];
  columns?: string[];
  order_by?: { column: string; direction?: "ascending" | "descending" }[];
  limit?: number;
}

const columnName = { type: "string", description: "A column of the header" };

export default tool({
  name: "csv_query",
  title: "CSV query",
  description:
    "Filters, groups, aggregates and sorts a table given as CSV text with a header line. Use it for any question about numbers in a " +
    "table (totals, averages, top ten) instead of counting yourself. Without group_by, aggregates run over all rows that pass the filters.",
  input: {
    type: "object",
    properties: {
      csv: { type: "string", description: "The table, with a header line", minLength: 1, maxLength: 900000 },
      delimiter: { type: "string", enum: [",", ";", "\t", "|"], description: "Found from the header, if left out" },
      filters: {
        type: "array",
        description: "Rows must pass all of them. Two numbers compare as numbers, anything else as text.",
        maxItems: 20,
        items: {
          type: "object",
          properties: {
            column: columnName,
            operator: { type: "string", enum: ["=", "!=", "<", "<=", ">", ">=", "contains", "is_empty", "is_not_empty"] },
            value: { type: ["string", "number"] },
          },
          required: ["column", "operator"],
          additionalProperties: false,
        },
      },
      group_by: { type: "array", items: columnName, maxItems: 8 },
      aggregates: {
        type: "array",
        maxItems: 20,
        items: {
          type: "object",
          properties: {
            function: { type: "string", enum: ["count", "count_distinct", "sum", "average", "median", "min", "max"] },
            column: { type: "string", description: "Not needed for count" },
            as: { type: "string", description: "Name of the result; function_column, if left out", minLength: 1, maxLength: 80 },
          },
          required: ["function"],
          additionalProperties: false,
        },
      },
      columns: { type: "array", items: columnName, description: "Columns to return when nothing is aggregated; all, if left out", maxItems: 100 },
      order_by: {
        type: "array",
        maxItems: 8,
        items: {
          type: "object",
          properties: { column: { type: "string", description: "A column of the result" }, direction: { type: "string", enum: ["ascending", "descending"] } },
          required: ["column"],
          additionalProperties: false,
        },
      },
      limit: { type: "integer", minimum: 1, maximum: 1000, default: 100 },
    },
    required: ["csv"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      columns: { type: "array", items: { type: "string" } },
      rows: { type: "array", items: { type: "array", items: { type: ["string", "number", "null"] } } },
      rows_matched: { type: "integer", description: "Rows of the table that passed the filters" },
      rows_total: { type: "integer", description: "Rows of the result before the limit" },
    },
    required: ["columns", "rows", "rows_matched", "rows_total"],
  },
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  examples: [
    {
      input: { csv: "city,population\nOslo,709037\nBergen,291940\n", aggregates: [{ function: "sum", column: "population" }] },
      output: { columns: ["sum_population"], rows: [[1000977]], rows_matched: 2, rows_total: 1 },
    },
  ],
  run(query: Query) {
    const table = parseTable(query.csv, query.delimiter);
    const matched = table.rows.filter((row) => (query.filters ?? []).every((filter) => passes(row, filter, table.columns)));
    const grouped = (query.aggregates ?? []).length > 0 || (query.group_by ?? []).length > 0;
    const result = grouped ? aggregate(matched, query, table.columns) : project(matched, query.columns, table.columns);
    sort(result, query.order_by ?? []);
    return {
      columns: result.columns,
      rows: result.rows.slice(0, query.limit ?? 100),
      rows_matched: matched.length,
      rows_total: result.rows.length,
    };
  },
});

interface Result {
  columns: string[];
  rows: Cell[][];
}

function parseTable(csv: string, delimiter?: string): { columns: string[]; rows: Row[] } {
  const text = csv.replace(/^\uFEFF/, "");
  const records = parseRecords(text, delimiter ?? findDelimiter(text));
  const columns = (records.shift() ?? []).map((name) => name.trim());
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) throw new ToolError(`the header names the column \`${twice}\` twice: rename one of them`);
  const rows = records.map((cells, index) => {
    if (cells.length !== columns.length) {
      throw new ToolError(`row ${index + 1} has ${cells.length} cells, the header has ${columns.length}: quote cells that contain the delimiter`);
    }
    return Object.fromEntries(cells.map((cell, at) => [columns[at], cell]));
  });
  return { columns, rows };
}

function findDelimiter(text: string): string {
  const header = text.slice(0, text.search(/\r|\n|$/));
  const counted = [",", ";", "\t", "|"].map((mark) => [mark, header.split(mark).length] as const);
  return counted.reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}

/** RFC 4180, section 2: quoted cells may hold delimiters, line breaks and doubled quotes. Empty lines are passed over. */
function parseRecords(text: string, delimiter: string): string[][] {
  const records: string[][] = [];
  let cells: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell: string;
    if (text[at] === '"') {
      [cell, at] = parseQuoted(text, at);
    } else {
      const start = at;
      while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at += 1;
      cell = text.slice(start, at);
    }
    cells.push(cell);
    if (text[at] === delimiter) {
      at += 1;
      if (at < text.length) continue;
      cells.push("");
    }
    if (text[at] === "\r") at += 1;
    if (text[at] === "\n") at += 1;
    if (cells.length > 1 || cells[0] !== "") records.push(cells);
    cells = [];
  }
  return records;
}

function parseQuoted(text: string, start: number): [string, number] {
  let cell = "";
  let at = start + 1;
  for (;;) {
    const end = text.indexOf('"', at);
    if (end < 0) throw new ToolError(`the quoted cell that begins with ${JSON.stringify(text.slice(start, start + 20))} has no end`);
    cell += text.slice(at, end);
    if (text[end + 1] !== '"') return [cell, end + 1];
    cell += '"';
    at = end + 2;
  }
}

function requireColumn(name: string, columns: string[]): void {
  if (!columns.includes(name)) throw new ToolError(`there is no column \`${name}\`: the columns are ${columns.join(", ")}`);
}

function toNumber(text: string): number {
  return text.trim() === "" ? NaN : Number(text);
}

function compare(left: string, right: string): number {
  const [a, b] = [toNumber(left), toNumber(right)];
  if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
  return left < right ? -1 : left > right ? 1 : 0;
}

function passes(row: Row, filter: Filter, columns: string[]): boolean {
  requireColumn(filter.column, columns);
  const cell = row[filter.column];
  if (filter.operator === "is_empty") return cell.trim() === "";
  if (filter.operator === "is_not_empty") return cell.trim() !== "";
  if (filter.value === undefined) throw new ToolError(`the filter on \`${filter.column}\` needs a \`value\` for ${filter.operator}`);
  const value = String(filter.value);
  switch (filter.operator) {
    case "contains": return cell.toLowerCase().includes(value.toLowerCase());
    case "=": return compare(cell, value) === 0;
    case "!=": return compare(cell, value) !== 0;
    case "<": return compare(cell, value) < 0;
    case "<=": return compare(cell, value) <= 0;
    case ">": return compare(cell, value) > 0;
    case ">=": return compare(cell, value) >= 0;
  }
}

function project(rows: Row[], wanted: string[] | undefined, columns: string[]): Result {
  const shown = wanted ?? columns;
  shown.forEach((name) => requireColumn(name, columns));
  return { columns: shown, rows: rows.map((row) => shown.map((name) => typed(row[name]))) };
}

function typed(cell: string): Cell {
  if (cell.trim() === "") return null;
  // A leading nought is part of a code (a postcode, a bank code), not of a number.
  return /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(cell) ? Number(cell) : cell;
}

function aggregate(rows: Row[], query: Query, columns: string[]): Result {
  const keys = query.group_by ?? [];
  const aggregates = query.aggregates ?? [{ function: "count" }];
  keys.forEach((name) => requireColumn(name, columns));
  const groups = new Map<string, Row[]>();
  if (keys.length === 0) groups.set("", []);
  for (const row of rows) {
    const key = JSON.stringify(keys.map((name) => row[name]));
    const group = groups.get(keys.length === 0 ? "" : key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const names = aggregates.map((one) => one.as ?? (one.column === undefined ? one.function : `${one.function}_${one.column}`));
  return {
    columns: [...keys, ...names],
    rows: [...groups.values()].map((group) => [
      ...keys.map((name) => typed(group[0][name])),
      ...aggregates.map((one) => evaluate(one, group, columns)),
    ]),
  };
}

function evaluate(one: Aggregate, group: Row[], columns: string[]): Cell {
  if (one.column === undefined) {
    if (one.function === "count") return group.length;
    throw new ToolError(`the aggregate ${one.function} needs a \`column\``);
  }
  requireColumn(one.column, columns);
  const cells = group.map((row) => row[one.column!]).filter((cell) => cell.trim() !== "");
  if (one.function === "count") return cells.length;
  if (one.function === "count_distinct") return new Set(cells).size;
  if (cells.length === 0) return null;
  if (one.function === "min") return typed(cells.reduce((best, cell) => (compare(cell, best) < 0 ? cell : best)));
  if (one.function === "max") return typed(cells.reduce((best, cell) => (compare(cell, best) > 0 ? cell : best)));
  const numbers = cells.map((cell) => number(cell, one.column!));
  switch (one.function) {
    case "sum": return total(numbers);
    case "average": return total(numbers) / numbers.length;
    case "median": return median(numbers);
  }
}

function number(cell: string, column: string): number {
  const value = toNumber(cell);
  if (Number.isNaN(value)) throw new ToolError(`the column \`${column}\` holds ${JSON.stringify(cell)}, which is not a number: filter such rows out first`);
  return value;
}

/** Neumaier's compensated sum: 0.1 + 0.2 + 0.3 over a long column stays exact to the last place shown. */
function total(numbers: number[]): number {
  let sum = 0;
  let lost = 0;
  for (const value of numbers) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
}

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function sort(result: Result, order: { column: string; direction?: string }[]): void {
  const by = order.map(({ column, direction }) => {
    requireColumn(column, result.columns);
    return { at: result.columns.indexOf(column), sign: direction === "descending" ? -1 : 1 };
  });
  result.rows.sort((a, b) => {
    for (const { at, sign } of by) {
      const step = compareCells(a[at], b[at]) * sign;
      if (step !== 0) return step;
    }
    return 0;
  });
}

function compareCells(left: Cell, right: Cell): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
  return typeof left === "number" && typeof right === "number" ? left - right : compare(String(left), String(right));
}
