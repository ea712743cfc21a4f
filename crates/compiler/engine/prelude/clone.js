// https://html.spec.whatwg.org/multipage/structured-data.html#structured-cloning

const CLONED_ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function refuseToClone(value) {
  throw new DOMException(`${inspect(value)} cannot be cloned`, "DataCloneError");
}

defineGlobal("structuredClone", function structuredClone(value, options) {
  const transferred = [...(options?.transfer ?? [])];
  if (transferred.some((buffer) => native.classOf(buffer) !== "ArrayBuffer") || new Set(transferred).size !== transferred.length) {
    throw new DOMException("only ArrayBuffers can be transferred, each once", "DataCloneError");
  }
  const seen = new Map();
  // A buffer moves only after everything was cloned: where that fails, nothing has moved.
  const moves = transferred.map((buffer) => [buffer, buffer.slice()]);
  moves.forEach(([buffer, moved]) => seen.set(buffer, moved));
  const clone = cloneValue(value, seen);
  transferred.forEach((buffer) => buffer.transfer());
  return clone;
});

/** `seen` maps what was cloned already, so that cycles and things met twice keep their shape. */
function cloneValue(value, seen) {
  if (typeof value === "symbol" || typeof value === "function") {
    refuseToClone(value);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if (seen.has(value)) {
    return seen.get(value);
  }
  const kind = native.classOf(value);
  const leaf = cloneLeaf(value, kind, seen);
  if (leaf !== undefined) {
    seen.set(value, leaf);
    return leaf;
  }
  return cloneContainer(value, kind, seen);
}

/** What holds no other values; undefined for the rest. */
function cloneLeaf(value, kind, seen) {
  switch (kind) {
    case "Boolean":
    case "Number":
    case "String":
    case "BigInt":
      return Object(globalThis[kind].prototype.valueOf.call(value));
    case "Date":
      return new Date(Date.prototype.getTime.call(value));
    case "RegExp":
      return new RegExp(value.source, value.flags);
    case "ArrayBuffer":
      return value.resizable ? resizableCopy(value) : value.slice();
    case "DOMException":
      return new DOMException(value.message, value.name);
    default:
      return ArrayBuffer.isView(value) ? cloneView(value, kind, seen) : undefined;
  }
}

function resizableCopy(buffer) {
  const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength });
  new Uint8Array(copy).set(new Uint8Array(buffer));
  return copy;
}

function cloneView(view, kind, seen) {
  const buffer = cloneValue(view.buffer, seen);
  return new globalThis[kind](buffer, view.byteOffset, kind === "DataView" ? view.byteLength : view.length);
}

function cloneContainer(value, kind, seen) {
  switch (kind) {
    case "Map": {
      const clone = new Map();
      seen.set(value, clone);
      for (const [key, inner] of [...Map.prototype.entries.call(value)]) {
        clone.set(cloneValue(key, seen), cloneValue(inner, seen));
      }
      return clone;
    }
    case "Set": {
      const clone = new Set();
      seen.set(value, clone);
      for (const inner of [...Set.prototype.values.call(value)]) {
        clone.add(cloneValue(inner, seen));
      }
      return clone;
    }
    case "Error":
      return cloneError(value, seen);
    case "Array":
      return cloneMembers(value, new Array(value.length), seen);
    case "Object":
    case "Arguments":
      return isPlatformObject(value) ? refuseToClone(value) : cloneMembers(value, {}, seen);
    default:
      return refuseToClone(value);
  }
}

/** What the web says cannot be cloned, and is an object of JavaScript here. */
function isPlatformObject(value) {
  return [URL, URLSearchParams, Event, EventTarget, AbortController, TextEncoder, TextDecoder].some((known) => value instanceof known);
}

function cloneMembers(value, clone, seen) {
  seen.set(value, clone);
  for (const key of Object.keys(value)) {
    Object.defineProperty(clone, key, { value: cloneValue(value[key], seen), writable: true, enumerable: true, configurable: true });
  }
  return clone;
}

function cloneError(error, seen) {
  const constructor = CLONED_ERRORS[readText(error, "name")] ?? Error;
  const copy = new constructor(readText(error, "message"));
  seen.set(error, copy);
  Object.defineProperty(copy, "stack", { value: readText(error, "stack"), writable: true, configurable: true, enumerable: false });
  if (Object.hasOwn(error, "cause")) {
    Object.defineProperty(copy, "cause", { value: cloneValue(error.cause, seen), writable: true, configurable: true, enumerable: false });
  }
  return copy;
}
