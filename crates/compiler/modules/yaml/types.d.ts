declare module "toolwright:yaml" {
  /** The value of a text with one document (YAML 1.2). An error names line and column. What is aliased is one object, not copies. */
  export function parse(text: string): any;
  /** The values of a text with any number of documents. */
  export function parseAll(text: string): any[];
  /** A value as YAML. */
  export function stringify(value: unknown, options?: { indent?: number; lineWidth?: number; sortKeys?: boolean }): string;
}
