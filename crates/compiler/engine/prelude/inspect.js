// Values as a person reads them in a log: the short form of Node's `util.inspect`. It looks at values without running their code: getters
// are named and not called, proxies are not touched.

const INSPECT_DEPTH_MAX = 3;
const INSPECT_ITEMS_MAX = 100;
/** What a line of the log holds; the host cuts there as well. */
const INSPECT_LENGTH_MAX = 8_000;
/** What fits on a line is not broken. */
const INSPECT_WIDTH = 76;

/** `value` as text. Strings are quoted. */
function inspect(value) {
  return inspectAt(value, { depth: 0, above: [], budget: { left: INSPECT_LENGTH_MAX } });
}

/** The arguments of `console.log` as one text; a first argument with `%s`, `%d`, `%i`, `%f`, `%j`, `%o`, `%O` or `%c` takes the next ones. */
function formatLine(values) {
  const rest = [...values];
  let text = "";
  if (typeof rest[0] === "string" && rest[0].includes("%")) {
    text = rest.shift().replace(/%([sdifjoOc%])/g, (whole, letter) => {
      if (letter === "%") {
        return "%";
      }
      return rest.length === 0 ? whole : formatSubstitute(letter, rest.shift());
    });
    rest.unshift(text);
  }
  return cut(rest.map((value) => (typeof value === "string" ? value : inspect(value))).join(" "), INSPECT_LENGTH_MAX);
}

function formatSubstitute(letter, value) {
  switch (letter) {
    case "s":
      return typeof value === "string" ? value : inspect(value);
    case "d":
    case "i":
    case "f":
      return typeof value === "bigint" ? `${value}n` : typeof value === "object" || typeof value === "symbol" ? "NaN" : formatNumber(letter, value);
    case "j":
      try {
        return String(jsonOf(value));
      } catch {
        return "[not JSON]";
      }
    case "c":
      return "";
    default:
      return inspect(value);
  }
}

function formatNumber(letter, value) {
  const number = letter === "i" ? parseInt(value, 10) : letter === "f" ? parseFloat(value) : Number(value);
  return Object.is(number, -0) ? "-0" : `${number}`;
}

/** `place` is {depth, above: the objects that this one is in, budget: {left}, which all parts of one text share}. */
function inspectAt(value, place) {
  const text = place.budget.left <= 0 ? "..." : inspectKind(value, place);
  if (typeof value !== "object" || value === null) {
    place.budget.left -= text.length;
  }
  return text;
}

function inspectKind(value, place) {
  switch (typeof value) {
    case "string":
      return quote(cut(value, place.budget.left));
    case "number":
      return Object.is(value, -0) ? "-0" : `${value}`;
    case "bigint":
      return `${value}n`;
    case "symbol":
      return Symbol.prototype.toString.call(value);
    case "function":
      return inspectFunction(value);
    case "object":
      return value === null ? "null" : inspectObject(value, place);
    default:
      return String(value);
  }
}

function quote(text) {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes("`") ? "`" : "'";
  const escaped = text.replace(/[\\\x00-\x1F\x7F]/g, (unit) => {
    const known = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }[unit];
    return known ?? `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`;
  });
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}

function ownValue(object, key) {
  const property = native.classOf(object) === "Proxy" ? undefined : Object.getOwnPropertyDescriptor(object, key);
  return property?.value;
}

function inspectFunction(value) {
  if (native.classOf(value) === "Proxy") {
    return "[Proxy]";
  }
  const name = ownValue(value, "name");
  const kind = isClass(value) ? "class" : native.classOf(value).replace(/^(?:C|Bound)?Function.*$/, "Function");
  const known = { class: "class", AsyncFunction: "AsyncFunction", GeneratorFunction: "GeneratorFunction" }[kind] ?? "Function";
  const shown = typeof name === "string" && name !== "" ? name : "(anonymous)";
  return known === "class" ? `[class ${shown}]` : `[${known}: ${shown}]`;
}

function inspectObject(value, place) {
  const kind = native.classOf(value);
  if (kind === "Proxy") {
    return "[Proxy]";
  }
  if (place.above.includes(value)) {
    return "[Circular]";
  }
  if (isError(value)) {
    return inspectErrorAt(value, place);
  }
  const leaf = inspectLeaf(value, kind);
  if (leaf !== undefined) {
    return leaf;
  }
  const name = constructorName(value);
  if (place.depth >= INSPECT_DEPTH_MAX) {
    return kind === "Array" ? "[Array]" : `[${name ?? "Object: null prototype"}]`;
  }
  const inside = { ...place, depth: place.depth + 1, above: [...place.above, value] };
  return inspectMembers(value, kind, name, inside);
}

/** Those that have one text and no members worth showing. */
function inspectLeaf(value, kind) {
  switch (kind) {
    case "Date":
      return Number.isNaN(Date.prototype.getTime.call(value)) ? "Invalid Date" : Date.prototype.toISOString.call(value);
    case "RegExp":
      return RegExp.prototype.toString.call(value);
    case "Number":
    case "String":
    case "Boolean":
    case "BigInt":
    case "Symbol":
      return `[${kind}: ${inspect(globalThis[kind].prototype.valueOf.call(value))}]`;
    case "Promise":
    case "WeakMap":
    case "WeakSet":
    case "WeakRef":
      return `${kind} {}`;
    case "ArrayBuffer":
    case "SharedArrayBuffer":
      return `${kind} { byteLength: ${value.byteLength} }`;
    default:
      return value instanceof URL ? `URL { ${quote(value.href)} }` : undefined;
  }
}

function inspectErrorAt(error, place) {
  const text = cut(errorText(error), Math.max(place.budget.left, 0));
  place.budget.left -= text.length;
  return place.depth === 0 ? text : `[${text}]`;
}

/** The text of functions is not always kept; but the prototype of a class is one that cannot be replaced. The language's own are functions. */
function isClass(value) {
  return native.isScripted(value) && Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

/** The name of the class that an object is of; undefined where it has no prototype. */
function constructorName(value) {
  for (let prototype = value; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    if (native.classOf(prototype) === "Proxy") {
      return "Object";
    }
    const name = ownValue(ownValue(prototype, "constructor") ?? {}, "name");
    if (typeof name === "string" && name !== "") {
      return name;
    }
  }
  return Object.getPrototypeOf(value) === null ? undefined : "Object";
}

function inspectMembers(value, kind, name, place) {
  const label = name ?? `[${kind}: null prototype]`;
  if (kind === "Array") {
    return enclose(name === "Array" ? "" : `${label}(${value.length}) `, "[", inspectItems(value, value.length, place), "]");
  }
  if (ArrayBuffer.isView(value) && kind !== "DataView") {
    return enclose(`${label}(${value.length}) `, "[", inspectItems(value, value.length, place), "]");
  }
  if (kind === "Map") {
    const pairs = Array.from(Map.prototype.entries.call(value)).slice(0, INSPECT_ITEMS_MAX);
    const parts = pairs.map(([key, inner]) => `${inspectAt(key, place)} => ${inspectAt(inner, place)}`);
    return enclose(`${label}(${pairs.length}) `, "{", parts, "}");
  }
  if (kind === "Set") {
    const items = Array.from(Set.prototype.values.call(value));
    return enclose(`${label}(${items.length}) `, "{", inspectItems(items, items.length, place), "}");
  }
  return enclose(name === "Object" ? "" : `${label} `, "{", inspectProperties(value, place), "}");
}

function inspectItems(items, length, place) {
  const parts = [];
  for (let at = 0; at < Math.min(length, INSPECT_ITEMS_MAX) && place.budget.left > 0; at += 1) {
    const property = Object.getOwnPropertyDescriptor(items, at);
    parts.push(property === undefined ? "<empty>" : inspectProperty(property, place));
  }
  return parts.length < length ? [...parts, `... ${length - parts.length} more`] : parts;
}

function inspectProperties(value, place) {
  const keys = Reflect.ownKeys(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
  const parts = [];
  for (const key of keys.slice(0, INSPECT_ITEMS_MAX)) {
    if (place.budget.left <= 0) {
      break;
    }
    const shown = typeof key === "symbol" ? `[${key.toString()}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key);
    place.budget.left -= shown.length;
    parts.push(`${shown}: ${inspectProperty(Object.getOwnPropertyDescriptor(value, key), place)}`);
  }
  return parts.length < keys.length ? [...parts, `... ${keys.length - parts.length} more`] : parts;
}

function inspectProperty(property, place) {
  if ("value" in property) {
    return inspectAt(property.value, place);
  }
  return property.get && property.set ? "[Getter/Setter]" : property.get ? "[Getter]" : "[Setter]";
}

function enclose(label, open, parts, close) {
  if (parts.length === 0) {
    return `${label}${open}${close}`;
  }
  const line = `${label}${open} ${parts.join(", ")} ${close}`;
  if (line.length <= INSPECT_WIDTH && !line.includes("\n")) {
    return line;
  }
  return `${label}${open}\n${parts.map((part) => `  ${part.replaceAll("\n", "\n  ")}`).join(",\n")}\n${close}`;
}
