declare module "toolwright:xml" {
  /**
   * A document as an object: elements by name, attributes as `@name`, the text beside them as `#text`; what occurs more than once is an
   * array. Broken XML throws, with line and column; so does a document that declares entities.
   */
  export function parse(text: string, options?: ParseOptions): Record<string, any>;
  /** The reverse. `indent: 0` writes one line. */
  export function stringify(value: object, options?: { indent?: number }): string;

  export interface ParseOptions {
    /** Names of elements that are arrays even where they occur once. */
    arrays?: readonly string[];
    /** Reads numbers and booleans as such; otherwise all values are texts. */
    numbers?: boolean;
    /** Takes spaces off the ends of texts: true. */
    trim?: boolean;
  }
}
