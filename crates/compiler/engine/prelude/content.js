// Content: what is shown to a person or a model besides JSON. A block made here is known as one, whatever it looks like.

/** Whether there is any: most calls answer without. */
let isContentMade = false;

class ContentBlock {
  #isBlock = true;

  constructor(members) {
    isContentMade = true;
    for (const [name, value] of Object.entries(members)) {
      if (value !== undefined) {
        this[name] = value;
      }
    }
    Object.freeze(this);
  }

  static isOne(value) {
    return typeof value === "object" && value !== null && #isBlock in value;
  }
}

/** What `ctx.content` makes. */
class ContentAnswer {
  #value;

  constructor(value) {
    isContentMade = true;
    this.#value = value;
    Object.assign(this, value);
    Object.freeze(this);
  }

  static valueOf(answer) {
    return typeof answer === "object" && answer !== null && #value in answer ? answer.#value : undefined;
  }
}

delete ContentBlock.prototype.constructor;
delete ContentAnswer.prototype.constructor;

const BLOCK_RIGHT = "content made by ctx.text, ctx.image, ctx.audio, ctx.resource or ctx.link, or a text";

/** A text becomes a block of text. */
function blockOf(value) {
  if (typeof value === "string") {
    return new ContentBlock({ type: "text", text: value });
  }
  // An object that is written as MCP has it is taken as well: the platform checks it.
  if (!ContentBlock.isOne(value) && !(isPlainObject(value) && isText(value.type))) {
    throw new TypeError(`${cut(inspect(value), 200)} is not ${BLOCK_RIGHT}`);
  }
  return value;
}

function annotated(what, annotations) {
  if (annotations !== undefined && !isAnnotations(annotations)) {
    throw new TypeError(`the annotations of ${what} must be ${ANNOTATIONS_RIGHT}`);
  }
  return annotations;
}

function textBlock(text, annotations) {
  if (typeof text !== "string") {
    throw new TypeError(`ctx.text(text, annotations?) needs a text, not ${cut(inspect(text), 100)}`);
  }
  return new ContentBlock({ type: "text", text, annotations: annotated("ctx.text", annotations) });
}

function mediaBlock(type, data, mimeType, annotations) {
  const what = `ctx.${type}`;
  if (!isMediaType(mimeType)) {
    throw new TypeError(`${what}(data, mimeType, annotations?) needs a media type like ${type === "image" ? "image/png" : "audio/wav"}`);
  }
  return new ContentBlock({ type, data: base64From(data, `the data of ${what}`), mimeType, annotations: annotated(what, annotations) });
}

function resourceBlock(given, annotations) {
  const right = 'ctx.resource needs an object like { uri: "file:///a.txt", mimeType: "text/plain", text: "..." }, or `blob` with bytes or base64 in the place of `text`';
  const contents = checkContents(given, right);
  if (!isText(contents.uri)) {
    throw new TypeError(right);
  }
  return new ContentBlock({ type: "resource", resource: contents, annotations: annotated("ctx.resource", annotations) });
}

const LINK_MEMBERS = ["uri", "name", "title", "description", "mimeType", "size", "icons", "annotations"];

function linkBlock(link) {
  if (!isPlainObject(link) || !isText(link.uri) || !isText(link.name) || !knowsOnly(link, LINK_MEMBERS)) {
    throw new TypeError(`ctx.link needs an object like { uri: "https://example.com/a", name: "a" }; known are ${LINK_MEMBERS.join(", ")}`);
  }
  annotated("ctx.link", link.annotations);
  return new ContentBlock({ type: "resource_link", ...link });
}

function contentAnswer(content, options = {}) {
  if (!isPlainObject(options) || !knowsOnly(options, ["structured", "isError"])) {
    throw new TypeError("the second argument of ctx.content must be an object with `structured`, `isError` or both");
  }
  const { structured, isError = false } = options;
  if (structured !== undefined && !isPlainObject(structured)) {
    throw new TypeError("`structured` of ctx.content must be an object: it is the result for programs, and has to fit the tool's `output`");
  }
  const blocks = (Array.isArray(content) ? content : [content]).map(blockOf);
  return new ContentAnswer({
    content: blocks,
    ...(structured === undefined ? {} : { structuredContent: structured }),
    ...(isError ? { isError: true } : {}),
  });
}

const CONTENTS_MEMBERS = ["uri", "mimeType", "text", "blob"];

/** What a resource holds, with its bytes in base64: `text` or `blob`, one of them. */
function checkContents(given, right) {
  const isRight =
    isPlainObject(given) &&
    (given.text === undefined) !== (given.blob === undefined) &&
    ["uri", "mimeType"].every((member) => given[member] === undefined || isText(given[member])) &&
    (given.text === undefined || typeof given.text === "string") &&
    knowsOnly(given, CONTENTS_MEMBERS);
  if (!isRight) {
    throw new TypeError(`${right}; it was ${cut(inspect(given), 200)}`);
  }
  const { text, blob, ...rest } = given;
  return text === undefined ? { ...rest, blob: base64From(blob, "`blob`") } : { ...rest, text };
}

const isMediaType = (value) => typeof value === "string" && /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;.*)?$/.test(value);

/** The bytes of an ArrayBuffer, a view or a Blob; undefined for anything else. */
function bytesIn(value) {
  const kind = native.classOf(value);
  return ArrayBuffer.isView(value) || kind === "ArrayBuffer" || kind === "SharedArrayBuffer" ? bytesOf(value) : blobBytes(value);
}

function base64Of(bytes) {
  return bytes.toBase64();
}

/** Bytes as base64; a text that is base64 already stays. */
function base64From(data, what) {
  const bytes = bytesIn(data);
  if (bytes !== undefined) {
    return base64Of(bytes);
  }
  if (typeof data !== "string" || data.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(data)) {
    throw new TypeError(`${what} must be bytes (a Uint8Array, an ArrayBuffer or a Blob) or a text of base64, with padding and without line breaks`);
  }
  return data;
}
