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
    super(made.body, made.headers);
    this.#head = made.head;
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
    if (!headers.has("content-type")) {
      headers.append("content-type", "application/json");
    }
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
    return makeResponse(this.#head, headers, cloneBody(bodyIn(this)));
  }
}

finishInterface(Response);

function makeResponse(head, headers, body) {
  return new Response(RESPONSE_KEY, { head: { type: "default", url: "", redirected: false, status: 200, statusText: "", ...head }, headers, body });
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
  const head = { type: "default", url: "", redirected: false, status: number, statusText: `${statusText}` };
  if (init === null) {
    return { head, headers, body: null };
  }
  if (BODILESS.includes(number)) {
    throw new TypeError(`a response with the status ${number} has no body`);
  }
  const [body, type] = bodyOf(init);
  if (type !== undefined && !headers.has("content-type")) {
    headers.append("content-type", type);
  }
  return { head, headers, body };
}

/** `answer` is {url, status, statusText, redirected, headers, body}, the body a handle or null. */
function responseOfHost({ url, status, statusText, redirected, headers, body }, signal) {
  const source = body === null ? null : { source: new BodySource(body, signal) };
  return makeResponse({ type: "basic", url: url.replace(/#.*/s, ""), redirected, status, statusText }, headersOfHost(headers), source);
}
