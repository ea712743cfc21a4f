// https://fetch.spec.whatwg.org/#bodies: what Request and Response have in common.

/**
 * A body is {bytes}, {stream} or {source}, the last a body of the host that nobody has made a stream of (body_source.js); once it has been
 * read, {isUsed}.
 */

const NO_BYTES = new Uint8Array();

/** [body, media type] of what a request or a response is made with; the type is undefined where it says none. */
function bodyOf(init) {
  if (typeof init === "string") {
    return [{ bytes: native.encodeUtf8(init) }, "text/plain;charset=UTF-8"];
  }
  const bytes = bytesIn(init);
  if (bytes !== undefined) {
    // What changes later is not what was given; a Blob does not change.
    return blobBytes(init) === undefined ? [{ bytes: bytes.slice() }, undefined] : [{ bytes }, init.type || undefined];
  }
  const entries = formEntries(init);
  if (entries !== undefined) {
    const { bytes: encoded, type } = encodeMultipart(entries);
    return [{ bytes: encoded }, type];
  }
  if (init instanceof URLSearchParams) {
    return [{ bytes: native.encodeUtf8(URLSearchParams.prototype.toString.call(init)) }, "application/x-www-form-urlencoded;charset=UTF-8"];
  }
  const core = streamCore(init);
  if (core === undefined) {
    return [{ bytes: native.encodeUtf8(wellFormed(init)) }, "text/plain;charset=UTF-8"];
  }
  if (core.isDisturbed || core.reader !== undefined) {
    throw new TypeError("a stream that has been read, or has a reader, cannot be a body");
  }
  return [{ stream: init }, undefined];
}

function isBodyUsed(body) {
  return body !== null && (body.isUsed === true || (body.stream !== undefined && streamCore(body.stream).isDisturbed));
}

function refuseIfUsed(body) {
  if (isBodyUsed(body)) {
    throw new TypeError("the body has been read already: a body can be read once; read it into a variable, or clone() before");
  }
  if (body?.stream !== undefined && streamCore(body.stream).reader !== undefined) {
    throw new TypeError("the body's stream has a reader: nobody else can read it");
  }
}

/** All of a body, if it is there already and nobody has read it: it is used up by that. Undefined otherwise. */
function bytesAtHand(body) {
  if (body === null) {
    return NO_BYTES;
  }
  const { bytes } = body;
  if (bytes !== undefined) {
    body.isUsed = true;
    body.bytes = undefined;
  }
  return bytes;
}

/** All of a body, which is used up by that. */
async function consumeBody(body) {
  refuseIfUsed(body);
  if (body === null) {
    return new Uint8Array();
  }
  const { bytes, source, stream } = body;
  if (stream !== undefined) {
    return readAllBytes(stream);
  }
  body.isUsed = true;
  body.bytes = body.source = undefined;
  return bytes ?? source.readAll();
}

/** The body as a stream, which stays the same one. */
function streamOfBody(body) {
  if (body === null) {
    return null;
  }
  if (body.stream === undefined) {
    body.stream = body.isUsed ? usedStream() : body.source === undefined ? streamOfBytes(body.bytes) : body.source.stream();
    body.bytes = body.source = undefined;
  }
  return body.stream;
}

/** What `body` gives after the body was read at once: a stream that is at its end. */
function usedStream() {
  const stream = streamOfBytes(new Uint8Array());
  streamCore(stream).isDisturbed = true;
  return stream;
}

/** A second body of what the first has: bytes that are there are shared, a stream is forked. */
function cloneBody(body) {
  refuseIfUsed(body);
  if (body === null || body.bytes !== undefined) {
    return body && { bytes: body.bytes };
  }
  const [first, second] = teeStream(streamOfBody(body), (value) => (native.classOf(value) === "Uint8Array" ? value.slice() : value));
  body.stream = first;
  return { stream: second };
}

/** Text without the mark at its beginning. */
function decodeText(bytes) {
  const text = native.decodeUtf8(bytes);
  return text[0] === "\uFEFF" ? text.slice(1) : text;
}

/** The body of a request or a response; null where it has none. */
let bodyIn;
let setBody;

/** What Request and Response extend. */
class Body {
  /** {body, headers}, in the object that holds the rest of the message; `headers` is what the host gave, until somebody asks for them. */
  #message;

  constructor(message) {
    this.#message = message;
  }

  static {
    bodyIn = (value) => value.#message.body;
    setBody = (value, body) => {
      value.#message.body = body;
    };
  }

  get headers() {
    return this.#readHeaders();
  }

  get body() {
    return streamOfBody(this.#message.body);
  }

  get bodyUsed() {
    return isBodyUsed(this.#message.body);
  }

  async arrayBuffer() {
    const bytes = await this.bytes();
    return bytes.buffer;
  }

  async blob() {
    // Parameters as the standard writes them: without spaces.
    const type = (this.#contentType() ?? "").replace(/[ \t]*;[ \t]*/g, ";");
    return blobOf(await consumeBody(this.#message.body), type);
  }

  async bytes() {
    const isShared = this.#message.body?.bytes !== undefined;
    const bytes = await consumeBody(this.#message.body);
    return isShared || bytes.length !== bytes.buffer.byteLength ? bytes.slice() : bytes;
  }

  async formData() {
    return parseFormData(await consumeBody(this.#message.body), this.#contentType());
  }

  async json() {
    return parseJson(decodeText(bytesAtHand(this.#message.body) ?? (await consumeBody(this.#message.body))));
  }

  async text() {
    return decodeText(bytesAtHand(this.#message.body) ?? (await consumeBody(this.#message.body)));
  }

  #readHeaders() {
    if (headersList(this.#message.headers) === undefined) {
      this.#message.headers = headersOfHost(this.#message.headers);
    }
    return this.#message.headers;
  }

  #contentType() {
    return valueOfHeader(headersList(this.#readHeaders()), "content-type");
  }
}
