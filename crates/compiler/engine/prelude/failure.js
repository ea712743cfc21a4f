// From anything that was thrown to the record `tool-error`. What was thrown may be hostile: every look at it may throw in turn.

const NAME_LENGTH_MAX = 100;
const MESSAGE_LENGTH_MAX = 8_000;
const STACK_LENGTH_MAX = 8_000;
const CAUSES_MAX = 4;

// The engine keeps ten frames, and library modules call deeper than that: the author's own line would not be among them.
Error.stackTraceLimit = 60;

/** Why a call fails, said on purpose, for the model that called: its message is shown as it is. */
class ToolError extends Error {
  constructor(message, options) {
    super(message, options);
    Object.defineProperty(this, "name", { value: "ToolError", writable: true, configurable: true, enumerable: false });
  }
}
defineGlobal("ToolError", ToolError);

/** [name, message, line, column, stack]; line and column are 0 where they are not known. `doing` stands before the message. */
function failure(thrown, doing) {
  const { name, message, frames } = describeError(thrown);
  const place = frames.find((frame) => frame.file === source.file && frame.line !== 0) ?? { line: 0, column: 0 };
  const stack = [frames.map(frameText).join("\n"), ...causeTexts(thrown)].filter(Boolean).join("\n");
  return [name, doing === undefined ? message : `${doing}: ${message}`, place.line, place.column, cut(stack, STACK_LENGTH_MAX)];
}

/** Nobody handles it: a rejected promise, an error in a timer's function or in a listener. */
function unhandled(reason) {
  native.log(LEVEL_ERROR, `uncaught ${errorText(reason)}`);
}

/** An error as `console` shows it: its name and message, and the frames of its stack below. */
function errorText(error) {
  const { name, message, frames } = describeError(error);
  return [message === "" ? name : `${name}: ${message}`, ...frames.map(frameText), ...causeTexts(error)].join("\n");
}

function isError(value) {
  const kind = native.classOf(value);
  return kind === "Error" || kind === "DOMException";
}

function describeError(thrown) {
  if (!isError(thrown)) {
    return { name: "Error", message: cut(typeof thrown === "string" ? thrown : `${inspect(thrown)} was thrown`, MESSAGE_LENGTH_MAX), frames: [] };
  }
  return {
    name: cut(readText(thrown, "name") || "Error", NAME_LENGTH_MAX),
    message: cut(readText(thrown, "message"), MESSAGE_LENGTH_MAX),
    frames: readFrames(readText(thrown, "stack")),
  };
}

function readMember(object, key) {
  try {
    return object[key];
  } catch {
    return undefined;
  }
}

/** A member as a text; the empty text where it has none, or throws when it is looked at. */
function readText(object, key) {
  const value = readMember(object, key);
  try {
    return typeof value === "symbol" || value === undefined ? "" : `${value}`;
  } catch {
    return "";
  }
}

function cut(text, lengthMax) {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}...`;
}

function causeTexts(error) {
  const texts = [];
  for (let at = error; texts.length < CAUSES_MAX && isError(at) && Object.hasOwn(at, "cause"); ) {
    at = readMember(at, "cause");
    const { name, message, frames } = describeError(at);
    texts.push([`caused by ${name}: ${message}`, ...frames.map(frameText)].join("\n"));
  }
  return texts;
}

/** A line of QuickJS's stack: "    at name (file:1:2)", "    at file:1:2", "    at name (native)". */
const FRAME = /^\s*at (?:(.*) \((.*)\)|(.*))$/;
const PLACE = /^(.*):(\d+):(\d+)$/;

/** The frames of a stack in the author's source, with places there, and in library modules. Those of this prelude have no file. */
function readFrames(stack) {
  const frames = [];
  for (const line of stack.slice(0, STACK_LENGTH_MAX).split("\n")) {
    const [, name = "", where, bare] = FRAME.exec(line) ?? [];
    const [, file = where ?? bare, lineNumber = "0", columnNumber = "0"] = PLACE.exec(where ?? bare ?? "") ?? [];
    if (file === source.file || file === "native" || file?.startsWith("toolwright:")) {
      frames.push({ name, file, line: Number(lineNumber), column: Number(columnNumber) });
    }
  }
  const own = frames.filter((frame) => frame.file === source.file && frame.line !== 0);
  if (own.length > 0) {
    authorPlaces(own).forEach((place, at) => Object.assign(own[at], place ?? { line: 0, column: 0 }));
  }
  return frames;
}

function frameText({ name, file, line, column }) {
  const where = line === 0 ? file : `${file}:${line}:${column}`;
  return name === "" ? `    at ${where}` : `    at ${name} (${where})`;
}
