// Questions to the client that calls: to the person in front of it, to its model. Each is an operation of the host, which may end long after;
// a call in which nothing else is under way then costs no time. What a question must look like in detail is known to the host.

const ELICIT_RIGHT =
  'ctx.elicit needs an object like { message: "Which city?", schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } }, ' +
  'or { message: "Sign in", url: "https://example.com/sign-in" }';
const SAMPLE_RIGHT = 'ctx.sample needs an object like { messages: "Say it in one sentence: ...", maxTokens: 200 }';
const SAMPLE_MESSAGES_RIGHT =
  'the `messages` of ctx.sample must be a text, or a list like [{ role: "user", content: "..." }], with content that is a text, ctx.text, ctx.image or ctx.audio, ' +
  "or a list of those";

const SAMPLE_MEMBERS = ["key", "messages", "maxTokens", "systemPrompt", "temperature", "stopSequences", "modelPreferences", "metadata", "tools", "toolChoice"];

/** What the person answers: `decline` and `cancel` are answers, too. */
async function elicit(question) {
  const isRight =
    isPlainObject(question) && isText(question.message) && (question.schema === undefined) !== (question.url === undefined) && knowsOnly(question, ["message", "schema", "url", "key"]);
  if (!isRight) {
    throw new TypeError(`${ELICIT_RIGHT}; it was given ${cut(inspect(question), 200)}`);
  }
  const { message, schema, url, key } = question;
  if (url !== undefined) {
    return ask("elicitation", { mode: "url", message, url: `${url}` }, key);
  }
  if (!isPlainObject(schema)) {
    throw new TypeError(`the \`schema\` of ctx.elicit must be an object; ${ELICIT_RIGHT}`);
  }
  return ask("elicitation", { mode: "form", message, requestedSchema: schema }, key);
}

/** What the client's model says to some messages. */
async function sample(question) {
  if (!isPlainObject(question) || !Number.isSafeInteger(question.maxTokens)) {
    throw new TypeError(`${SAMPLE_RIGHT}; it was given ${cut(inspect(question), 200)}`);
  }
  if (!knowsOnly(question, SAMPLE_MEMBERS)) {
    throw new TypeError(`ctx.sample knows ${SAMPLE_MEMBERS.join(", ")}, and was given ${Object.keys(question).join(", ")}`);
  }
  const { messages, key, ...params } = question;
  const list = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
  if (!Array.isArray(list)) {
    throw new TypeError(`${SAMPLE_MESSAGES_RIGHT}; they were ${cut(inspect(messages), 200)}`);
  }
  return ask("sampling", { ...params, messages: list.map(sampleMessage) }, key);
}

/** The folders that the client works on. */
async function roots({ key } = {}) {
  return (await ask("roots", {}, key)).roots;
}

function sampleMessage(message) {
  if (!isPlainObject(message) || !isText(message.role) || message.content === undefined) {
    throw new TypeError(`${SAMPLE_MESSAGES_RIGHT}; one was ${cut(inspect(message), 200)}`);
  }
  const { content } = message;
  return { ...message, content: Array.isArray(content) ? content.map(sampleContent) : sampleContent(content) };
}

function sampleContent(content) {
  return typeof content === "string" ? { type: "text", text: content } : content;
}

/** A promise for the answer. `key` is what the client knows the question by, where it can see it. A question that is wrong in itself is a TypeError; one that nobody can answer a ToolError, which a model may read. */
function ask(kind, params, key) {
  const { promise, resolve, reject } = Promise.withResolvers();
  // Made here, so that it says where the question was asked.
  const failure = new ToolError("");
  try {
    startOperation({ op: "ask", kind, key, params }, (isError, text) => {
      if (isError) {
        Object.defineProperty(failure, "message", { value: text, writable: true, configurable: true, enumerable: false });
        reject(failure);
      } else {
        resolve(parseJson(text));
      }
    });
  } catch (error) {
    throw new TypeError(error.message);
  }
  return promise;
}
