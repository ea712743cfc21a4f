declare module "toolwright:template" {
  /** A Mustache template with its values: `{{name}}`, `{{#items}}...{{/items}}`, `{{^items}}...{{/items}}`, `{{> partial}}`. */
  export function render(
    template: string,
    values: object,
    options?: {
      partials?: Record<string, string>;
      /** Whether `{{name}}` is escaped for HTML: `none`. */
      escape?: "none" | "html";
    },
  ): string;
}
