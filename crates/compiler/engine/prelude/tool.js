// The tool API: `import { tool, ToolError } from "toolwright"`.

/** What `tool({...})` takes: whether it must be there, whether a value is right, and what would be. */
const MEMBERS = {
  name: { isNeeded: true, isRight: isText, right: 'a text like "forecast"' },
  title: { isNeeded: false, isRight: isText, right: 'a text like "Weather forecast"' },
  description: { isNeeded: true, isRight: isText, right: "a text that says what the tool does and when to use it" },
  input: { isNeeded: true, isRight: isPlainObject, right: 'a JSON Schema like { type: "object", properties: { city: { type: "string" } }, required: ["city"] }' },
  output: { isNeeded: false, isRight: isPlainObject, right: 'a JSON Schema like { type: "object", properties: { summary: { type: "string" } } }' },
  annotations: { isNeeded: false, isRight: isPlainObject, right: "an object like { readOnlyHint: true }" },
  examples: { isNeeded: false, isRight: isListOfExamples, right: "a list like [{ input: { city: \"Oslo\" }, output: { summary: \"Sunny\" } }], output optional" },
  run: { isNeeded: true, isRight: (value) => typeof value === "function", right: "a function like async run({ city }, ctx) { ... }" },
};

/** Names that other tool libraries have for the same. */
const OTHER_NAMES = {
  inputSchema: "input", parameters: "input", args: "input", schema: "input", arguments: "input", inputs: "input",
  outputSchema: "output", returns: "output", result: "output", outputs: "output",
  handler: "run", execute: "run", call: "run", fn: "run", func: "run", handle: "run",
  summary: "description", desc: "description", hints: "annotations", id: "name", displayName: "title", example: "examples",
};

/** tool -> its definition. What is not in here was not made by `tool`. */
const definitions = new WeakMap();

/** Checks a tool and makes it: the module's default export. */
function tool(definition) {
  if (!isPlainObject(definition)) {
    throw new TypeError("tool({...}) needs an object with name, description, input and run");
  }
  for (const member of Object.keys(definition)) {
    checkIsMember(member);
  }
  const checked = {};
  for (const [member, { isNeeded, isRight, right }] of Object.entries(MEMBERS)) {
    const value = definition[member];
    if (value === undefined && !isNeeded) {
      continue;
    }
    if (value === undefined) {
      throw new TypeError(`tool({...}) needs \`${member}\`: ${right}`);
    }
    if (!isRight(value)) {
      throw new TypeError(`\`${member}\` of tool({...}) must be ${right}`);
    }
    checked[member] = value;
  }
  const made = Object.freeze(checked);
  definitions.set(made, { ...made });
  return made;
}

function checkIsMember(member) {
  if (!Object.hasOwn(MEMBERS, member)) {
    const meant = Object.hasOwn(OTHER_NAMES, member) ? `: \`${OTHER_NAMES[member]}\` is what it is called here` : "";
    throw new TypeError(`tool({...}) does not know \`${cut(member, 60)}\`${meant || `: known are ${Object.keys(MEMBERS).join(", ")}`}`);
  }
}

function isText(value) {
  return typeof value === "string" && value !== "";
}

function isPlainObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOfExamples(value) {
  const isExample = (example) =>
    isPlainObject(example) && isPlainObject(example.input) && Object.keys(example).every((key) => key === "input" || key === "output");
  return Array.isArray(value) && value.every(isExample);
}

/** Takes the namespace of the tool's module. Gives [the tool, its `run`, its interface as JSON]. */
function accept(namespace) {
  const definition = definitions.get(namespace.default);
  if (definition === undefined) {
    const found = "default" in namespace ? `it is ${cut(inspect(namespace.default), 200)}` : "there is none";
    throw new TypeError(
      `the module's default export must be a tool, but ${found}: write export default tool({ name, description, input, run }), with tool imported from "toolwright"`,
    );
  }
  return [namespace.default, definition.run, interfaceJson(definition)];
}

/** The interface in the form of the platform: every member but `run`, as JSON. */
function interfaceJson(definition) {
  const described = {};
  for (const [member, value] of Object.entries(definition)) {
    if (member !== "run") {
      described[member] = JSON.parse(memberJson(member, value));
    }
  }
  return JSON.stringify(described);
}

function memberJson(member, value) {
  let json, why = "it has no value";
  try {
    json = JSON.stringify(value);
  } catch (error) {
    why = readText(error, "message");
  }
  if (json === undefined) {
    throw new TypeError(`\`${member}\` of tool({...}) cannot be written as JSON: ${why}`);
  }
  return json;
}
