declare module "toolwright:csv" {
  /** Rows of a text: objects by the names of the first line; with `header: false`, arrays. All values are texts. Broken quotes throw. */
  export function parse(text: string, options: ParseOptions & { header: false }): string[][];
  export function parse(text: string, options?: ParseOptions): Record<string, string>[];
  /** A text of rows: objects, whose names become the first line, or arrays. */
  export function stringify(rows: readonly object[], options?: StringifyOptions): string;

  export interface ParseOptions {
    /** Whether the first line has names: true. */
    header?: boolean;
    /** Guessed where it is not given. */
    delimiter?: string;
    /** `"` */
    quote?: string;
    /** true */
    skipEmptyLines?: boolean;
    /** Takes spaces off the ends of names and values: false. */
    trim?: boolean;
  }

  export interface StringifyOptions {
    /** Whether names become the first line: true. */
    header?: boolean;
    /** `,` */
    delimiter?: string;
    /** `\n` */
    newline?: string;
    /** The members to write, in this order; all of the first row, if left out. */
    columns?: string[];
    /** Puts `'` before what a spreadsheet would run as a formula: false. */
    escapeFormulas?: boolean;
  }
}
