// Templates without code in them, by mustache.
import Mustache from "mustache";

export function render(template, values, options = {}) {
  const { partials = {}, escape = "none" } = options;
  if (escape !== "html" && escape !== "none") throw new TypeError(`\`escape\` is "html" or "none", not ${escape}`);
  return Mustache.render(template, values, partials, { escape: escape === "html" ? Mustache.escape : String });
}
