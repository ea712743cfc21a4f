declare module "toolwright:toml" {
  /** The table of a text (TOML 1.0). Dates are `Date` objects; an error names line and column. */
  export function parse(text: string): Record<string, any>;
  /** A table as TOML. */
  export function stringify(table: object): string;
}
