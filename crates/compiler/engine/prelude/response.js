// https://fetch.spec.whatwg.org/#response-class

/** Statuses whose responses have no body. */
const BODILESS = [101, 103, 204, 205, 304];
const REDIRECTIONS = [301, 302, 303, 307, 308];

/** Only this prelude makes responses of the host. */
const RESPONSE_KEY = Symbol("response");

class Response extends Body {
  #head;

  constructor(body = null, init = {}) {
    const made = body === RESPONSE_KEY ? init : readResponse(body, init ?? {});
    super(made);
    this.#head = made;
  }

  static error() {
    const headers = new Headers();
    freezeHeaders(headers);
    return makeResponse({ type: "error", status: 0 }, headers, null);
  }

  static redirect(url, status = 302) {
    needArguments("Response.redirect", arguments, 1);
    if (!REDIRECTIONS.includes(status)) {
      throw new RangeError(`the status of a redirect must be ${REDIRECTIONS.join(", ")}`);
    }
    const headers = new Headers({ location: new URL(url).href });
    freezeHeaders(headers);
    return makeResponse({ status }, headers, null);
  }

  static json(data, init = {}) {
    const json = jsonOf(data);
    if (json === undefined) {
      throw new TypeError("the data of Response.json cannot be written as JSON");
    }
    const headers = new Headers(init?.headers);
    addIfMissing(headers, "content-type", "application/json");
    return new Response(json, { ...init, headers });
  }

  get type() {
    return this.#head.type;
  }

  get url() {
    return this.#head.url;
  }

  get redirected() {
    return this.#head.redirected;
  }

  get status() {
    return this.#head.status;
  }

  get ok() {
    return this.#head.status >= 200 && this.#head.status <= 299;
  }

  get statusText() {
    return this.#head.statusText;
  }

  clone() {
    const headers = new Headers(this.headers);
    if (this.#head.type === "basic") {
      freezeHeaders(headers);
    }
    const { type, url, redirected, status, statusText } = this.#head;
    return makeResponse({ type, url, redirected, status, statusText }, headers, cloneBody(bodyIn(this)));
  }
}

finishInterface(Response);

function makeResponse(head, headers, body) {
  return new Response(RESPONSE_KEY, { type: "default", url: "", redirected: false, status: 200, statusText: "", ...head, headers, body });
}

/** The parts of a response from what `new Response` is given. */
function readResponse(init, { status = 200, statusText = "", headers: givenHeaders }) {
  const number = Number(status);
  if (!Number.isInteger(number) || number < 200 || number > 599) {
    throw new RangeError("the status of a response must be a whole number from 200 to 599");
  }
  if (/[^\t\x20-\x7E\x80-\xFF]/.test(`${statusText}`)) {
    throw new TypeError("`statusText` of a response must be a line of characters up to U+00FF");
  }
  const headers = new Headers(givenHeaders);
  const made = { type: "default", url: "", redirected: false, status: number, statusText: `${statusText}`, headers, body: null };
  if (init === null) {
    return made;
  }
  if (BODILESS.includes(number)) {
    throw new TypeError(`a response with the status ${number} has no body`);
  }
  const [body, type] = bodyOf(init);
  if (type !== undefined) {
    addIfMissing(headers, "content-type", type);
  }
  made.body = body;
  return made;
}

/** What the host says of the answer to `operation` is [status, status text, URL, whether it was redirected, body, what has begun, headers]. */
function responseOfHost(told, operation, signal) {
  const body = told[4] === null ? null : bodyOfHost(told[4], told[5], operation, signal);
  return new Response(RESPONSE_KEY, { type: "basic", url: told[2], redirected: told[3], status: told[0], statusText: told[1], headers: told[6], body });
}

/** A short body is there with the head. One that a signal can end is a source nevertheless, since it ends also what nobody has read yet. */
function bodyOfHost(handle, begun, operation, signal) {
  if (begun === "all" && signal === undefined) {
    return { bytes: native.take(operation) };
  }
  return { source: new BodySource(handle, begun === "none" ? undefined : { operation, text: begun === "all" ? "end" : "more" }, signal) };
}
