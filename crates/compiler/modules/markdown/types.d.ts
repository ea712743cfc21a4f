declare module "toolwright:markdown" {
  /** Markdown (CommonMark with GitHub's tables, lists of tasks and strikethrough) as HTML. HTML in the text is shown, not used; links that run code are left out. */
  export function toHtml(text: string, options?: { breaks?: boolean }): string;
  /** What the text consists of: headings, paragraphs, lists, tables, code... as marked's tokens. */
  export function tokens(text: string): Token[];

  export interface Token {
    /** `heading`, `paragraph`, `list`, `table`, `code`, `blockquote`, `hr`, `space`, `text`, `link`, `image`... */
    type: string;
    /** The token's own Markdown. */
    raw: string;
    text?: string;
    /** Of a heading: 1 to 6. */
    depth?: number;
    /** Of code: its language. */
    lang?: string;
    tokens?: Token[];
    items?: Token[];
    [detail: string]: any;
  }
}
