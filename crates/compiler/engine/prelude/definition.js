// What `tool`, `resource` and `prompt` have in common: a definition is checked when it is made, and a mistake says what would be right.

/** A member of a definition: whether it must be there, whether a value is right, and what would be. */
const needed = (isRight, right) => ({ isNeeded: true, isRight, right });
const optional = (isRight, right) => ({ isNeeded: false, isRight, right });

const isText = (value) => typeof value === "string" && value !== "";
const isFunction = (value) => typeof value === "function";

function isPlainObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A list whose items are objects of these members alone, of which `wanted` are there. */
function isListOf(value, isRight) {
  return Array.isArray(value) && value.every((item) => isPlainObject(item) && isRight(item));
}

const knowsOnly = (object, names) => Object.keys(object).every((key) => names.includes(key));

const isIcon = (icon) => isText(icon.src) && /^(https|data):/i.test(icon.src) && knowsOnly(icon, ["src", "mimeType", "sizes", "theme"]);
const isExample = (example) => isPlainObject(example.input) && knowsOnly(example, ["input", "output"]);

const ICONS = optional((value) => isListOf(value, isIcon), 'a list like [{ src: "https://example.com/icon.png", mimeType: "image/png", sizes: ["48x48"] }], src with https: or data:');
const EXAMPLES = optional((value) => isListOf(value, isExample), 'a list like [{ input: { city: "Oslo" }, output: { summary: "Sunny" } }], output optional');
const COMPLETE = optional(
  (value) => isPlainObject(value) && Object.values(value).every(isFunction),
  "an object with a function for each argument that can be completed, like { city: (value, context, ctx) => [\"Oslo\"] }",
);

/** What a module can have as its default export. Its definition cannot be reached, or made, from outside. */
class Offered {
  #definition;

  constructor(definition, members) {
    Object.assign(this, members);
    this.#definition = definition;
    Object.freeze(this);
  }

  /** The definition of what `tool`, `resource` or `prompt` made; undefined for anything else. */
  static definitionOf(value) {
    return typeof value === "object" && value !== null && #definition in value ? value.#definition : undefined;
  }
}
delete Offered.prototype.constructor;

/**
 * Checks a definition and makes what the module exports. `kind` is {name, members, otherNames, describe, run, answer}: how it is called, what it takes, names
 * that other libraries have for the same; then, given the checked members, its interface beyond those, how it is run, and how its results
 * are answered.
 */
function offer(kind, definition) {
  const needs = Object.keys(kind.members).filter((member) => kind.members[member].isNeeded);
  if (!isPlainObject(definition)) {
    throw new TypeError(`${kind.name}({...}) needs an object with ${needs.join(", ")}`);
  }
  for (const member of Object.keys(definition)) {
    checkIsMember(kind, member);
  }
  const checked = {};
  for (const [member, { isNeeded, isRight, right }] of Object.entries(kind.members)) {
    const value = definition[member];
    if (value === undefined && !isNeeded) {
      continue;
    }
    if (value === undefined) {
      throw new TypeError(`${kind.name}({...}) needs \`${member}\`: ${right}`);
    }
    if (!isRight(value)) {
      throw new TypeError(`\`${member}\` of ${kind.name}({...}) must be ${right}`);
    }
    checked[member] = value;
  }
  kind.check?.(checked);
  return new Offered({ kind, members: checked }, checked);
}

function checkIsMember({ name, members, otherNames }, member) {
  if (!Object.hasOwn(members, member)) {
    const meant = Object.hasOwn(otherNames, member) ? `\`${otherNames[member]}\` is what it is called here` : `known are ${Object.keys(members).join(", ")}`;
    throw new TypeError(`${name}({...}) does not know \`${cut(member, 60)}\`: ${meant}`);
  }
}

/** The interface in the form of the platform, as JSON. What is not JSON in it is an error that names the member. */
function interfaceJson({ kind, members }) {
  const described = {};
  for (const [member, value] of Object.entries(kind.describe(members))) {
    if (value !== undefined) {
      described[member] = parseJson(memberJson(kind, member, value));
    }
  }
  return jsonOf(described);
}

function memberJson(kind, member, value) {
  let json, why = "it has no value";
  try {
    json = jsonOf(value);
  } catch (error) {
    why = readText(error, "message");
  }
  if (json === undefined) {
    throw new TypeError(`\`${member}\` of ${kind.name}({...}) cannot be written as JSON: ${why}`);
  }
  return json;
}

/** The JSON Schema of arguments that are texts. `descriptions` has a schema for each that says more. */
function textArguments(names, required, schemas = {}) {
  const properties = {};
  for (const name of names) {
    Object.defineProperty(properties, name, { value: { type: "string", ...schemas[name] }, enumerable: true });
  }
  return { type: "object", properties, required, additionalProperties: false };
}

/** `complete` may only name arguments that there are. */
function checkCompletes(kind, { complete = {} }, names) {
  const unknown = Object.keys(complete).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const known = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
    throw new TypeError(`\`complete\` of ${kind}({...}) names \`${cut(unknown, 60)}\`, which is not one of its arguments: ${known}`);
  }
}
