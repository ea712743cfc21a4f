declare module "toolwright:diff" {
  /** What must be taken out of `before` and put in to make `after`; by lines, unless told otherwise. */
  export function compare(before: string, after: string, by?: "lines" | "words" | "characters"): Part[];
  /** The same as a unified diff, as `diff -u` and git write it. */
  export function unified(before: string, after: string, options?: { from?: string; to?: string; context?: number }): string;
  /** The text with a unified diff applied. One that does not fit throws. */
  export function apply(text: string, patch: string): string;

  export interface Part {
    kind: "same" | "added" | "removed";
    text: string;
  }
}
