// `prompt({...})`: messages that a person starts with.

const ARGUMENT_MEMBERS = ["name", "title", "description", "required"];
const isArgument = (argument) =>
  typeof argument.name === "string" &&
  /^[A-Za-z0-9_]+$/.test(argument.name) &&
  knowsOnly(argument, ARGUMENT_MEMBERS) &&
  ["title", "description"].every((member) => argument[member] === undefined || isText(argument[member])) &&
  (argument.required === undefined || typeof argument.required === "boolean");

const isListOfArguments = (value) => isListOf(value, isArgument) && new Set(value.map(({ name }) => name)).size === value.length;

const PROMPT = {
  name: "prompt",
  members: {
    name: needed(isText, 'a text like "review"'),
    title: optional(isText, 'a text like "Code review"'),
    description: needed(isText, "a text that says what the prompt is for"),
    arguments: optional(isListOfArguments, 'a list like [{ name: "language", description: "Of the code", required: true }], each with another name of A-Z, a-z, 0-9 and _'),
    icons: ICONS,
    complete: COMPLETE,
    examples: EXAMPLES,
    run: needed(isFunction, "a function like run({ language }, ctx) { return `Review this ${language} code.`; }"),
  },
  otherNames: {
    input: "arguments", args: "arguments", parameters: "arguments", inputSchema: "arguments", argsSchema: "arguments",
    handler: "run", get: "run", render: "run", messages: "run", template: "run", summary: "description", desc: "description", id: "name",
    icon: "icons", completion: "complete", completes: "complete",
  },
  check(members) {
    checkCompletes("prompt", members, (members.arguments ?? []).map(({ name }) => name));
  },
  describe({ run, complete, arguments: given = [], ...described }) {
    const names = given.map(({ name }) => name);
    const required = given.filter((argument) => argument.required).map(({ name }) => name);
    const schemas = Object.fromEntries(given.map(({ name, title, description }) => [name, { title, description }]));
    return {
      ...described,
      input: textArguments(names, required, schemas),
      offer: { kind: "prompt", arguments: given },
      completes: complete && Object.keys(complete),
    };
  },
  run: ({ run }) => run,
  answer: promptAnswer,
};

/** Checks a prompt and makes it: the module's default export. */
function prompt(definition) {
  return offer(PROMPT, definition);
}

const MESSAGES_RIGHT = 'a text, a message like { role: "user", content: "..." }, a list of those, or { description, messages }';

function promptAnswer(_members, result) {
  const { description, messages } = isPlainObject(result) && "messages" in result ? result : { messages: result };
  if (description !== undefined && typeof description !== "string") {
    throw new TypeError("`description` of what the prompt gives must be a text");
  }
  const list = Array.isArray(messages) ? messages : [messages];
  return [false, { description, messages: list.map(messageOf) }];
}

function messageOf(message) {
  if (typeof message === "string" || ContentBlock.isOne(message)) {
    return { role: "user", content: blockOf(message) };
  }
  if (!isPlainObject(message) || (message.role !== "user" && message.role !== "assistant") || !knowsOnly(message, ["role", "content"])) {
    throw new TypeError(`a prompt must give ${MESSAGES_RIGHT}, role "user" or "assistant"; it gave ${cut(inspect(message), 200)}`);
  }
  return { role: message.role, content: blockOf(message.content) };
}
