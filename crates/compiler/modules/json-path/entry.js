// JSONPath (RFC 9535), JSON Pointer (RFC 6901) and JSON Patch (RFC 6902), by json-p3.
import { apply, query, resolve } from "json-p3";

const NOTHING = Symbol("nothing");

export function select(path, value) {
  return query(path, value).values();
}

export function nodes(path, value) {
  return query(path, value).nodes.map((node) => ({ path: node.path, value: node.value }));
}

export function pointer(path, value) {
  const found = resolve(path, value, NOTHING);
  return found === NOTHING ? undefined : found;
}

export function patch(operations, value) {
  return apply(operations, structuredClone(value));
}
