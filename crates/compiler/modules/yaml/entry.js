// YAML 1.2, by js-yaml.
import { dump, load, loadAll } from "js-yaml";

export function parse(text) {
  return load(String(text));
}

export function parseAll(text) {
  return loadAll(String(text));
}

export function stringify(value, options = {}) {
  const { indent = 2, lineWidth = 80, sortKeys = false } = options;
  return dump(value, { indent, lineWidth, sortKeys });
}
