declare module "toolwright:html" {
  /** A document, however broken, as browsers would take it. */
  export function parse(html: string): Element;
  /** The elements that a CSS selector finds. */
  export function select(html: string | Element, selector: string): Element[];
  /** The first of them. */
  export function selectOne(html: string | Element, selector: string): Element | undefined;
  /** As a reader sees it: scripts left out, blanks joined, blocks on lines of their own. */
  export function toText(html: string | Element): string;
  /** As Markdown. Links become absolute where `baseUrl` is given; `images: false` leaves their descriptions. */
  export function toMarkdown(html: string | Element, options?: { baseUrl?: string; images?: boolean }): string;
  /** A text for HTML, in elements and in attributes. */
  export function escape(text: string): string;

  export class Element {
    private constructor();
    /** In lower case; empty for a whole document. */
    readonly name: string;
    readonly attributes: Record<string, string>;
    attribute(name: string): string | undefined;
    readonly text: string;
    readonly html: string;
    readonly innerHtml: string;
    readonly children: Element[];
    readonly parent: Element | undefined;
    select(selector: string): Element[];
    selectOne(selector: string): Element | undefined;
    /** Takes it out of its document. */
    remove(): void;
  }
}
