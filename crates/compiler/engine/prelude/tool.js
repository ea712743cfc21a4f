// `tool({...})`: a function that a model calls.

const TOOL = {
  name: "tool",
  members: {
    name: needed(isText, 'a text like "forecast"'),
    title: optional(isText, 'a text like "Weather forecast"'),
    description: needed(isText, "a text that says what the tool does and when to use it"),
    input: needed(isPlainObject, 'a JSON Schema like { type: "object", properties: { city: { type: "string" } }, required: ["city"] }'),
    output: optional(isPlainObject, 'a JSON Schema like { type: "object", properties: { summary: { type: "string" } } }'),
    annotations: optional(isPlainObject, "an object like { readOnlyHint: true }"),
    icons: ICONS,
    examples: EXAMPLES,
    run: needed(isFunction, "a function like async run({ city }, ctx) { ... }"),
  },
  /** Names that other tool libraries have for the same. */
  otherNames: {
    inputSchema: "input", parameters: "input", args: "input", schema: "input", arguments: "input", inputs: "input",
    outputSchema: "output", returns: "output", result: "output", outputs: "output",
    handler: "run", execute: "run", call: "run", fn: "run", func: "run", handle: "run",
    summary: "description", desc: "description", hints: "annotations", id: "name", displayName: "title", example: "examples", icon: "icons",
  },
  describe: ({ run, ...described }) => described,
  run: ({ run }) => run,
  answer: toolAnswer,
};

/** Checks a tool and makes it: the module's default export. */
function tool(definition) {
  return offer(TOOL, definition);
}

/** JSON as it is; content where `run` made some. Gives [whether it is content, a value]. */
function toolAnswer(_members, result) {
  const content = ContentAnswer.valueOf(result) ?? contentOfBlocks(result);
  return content === undefined ? [false, result] : [true, content];
}

/** A block of content, or a list of them, as an answer; undefined for anything else. */
function contentOfBlocks(result) {
  if (ContentBlock.isOne(result)) {
    return { content: [result] };
  }
  if (!Array.isArray(result) || !result.some(ContentBlock.isOne)) {
    return undefined;
  }
  if (!result.every(ContentBlock.isOne)) {
    throw new TypeError("a list that has content must have nothing else in it: put texts into ctx.text(...), and a result for programs into ctx.content([...], { structured })");
  }
  return { content: [...result] };
}
