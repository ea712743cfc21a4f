// https://fetch.spec.whatwg.org/#request-class, as far as it concerns a program: no modes, caches or referrers.

const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const REDIRECTS = ["follow", "error", "manual"];

/** {url, method, redirect, signal} of a request; undefined for anything else. */
let requestHead;

class Request extends Body {
  #head;

  constructor(input, init) {
    needArguments("Request", arguments, 1);
    const { head, headers, body } = readRequest(input, init ?? {});
    super(body, headers);
    this.#head = head;
  }

  static {
    requestHead = (value) => (typeof value === "object" && value !== null && #head in value ? value.#head : undefined);
  }

  get method() {
    return this.#head.method;
  }

  get url() {
    return this.#head.url;
  }

  get redirect() {
    return this.#head.redirect;
  }

  get signal() {
    this.#head.signal ??= new AbortController().signal;
    return this.#head.signal;
  }

  clone() {
    const clone = new Request(this.#head.url, { ...this.#head, headers: this.headers });
    setBody(clone, cloneBody(bodyIn(this)));
    return clone;
  }
}

finishInterface(Request);

/** The parts of a request from what `new Request` is given. */
function readRequest(input, init) {
  if (typeof init !== "object") {
    throw new TypeError("the second argument of a request must be an object like { method: \"POST\", headers, body }");
  }
  const given = requestHead(input);
  const method = init.method === undefined ? (given?.method ?? "GET") : methodOf(init.method);
  const redirect = init.redirect === undefined ? (given?.redirect ?? "follow") : `${init.redirect}`;
  if (!REDIRECTS.includes(redirect)) {
    throw new TypeError(`\`redirect\` of a request must be ${REDIRECTS.join(", ")}, not ${quote(cut(redirect, 100))}`);
  }
  const signal = init.signal === undefined ? given?.signal : (init.signal ?? undefined);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("`signal` of a request must be an AbortSignal");
  }
  const head = { url: given?.url ?? absoluteUrl(input), method, redirect, signal };
  const headers = new Headers(init.headers ?? (given === undefined ? undefined : input.headers));
  return { head, headers, body: readRequestBody(method, given === undefined ? null : bodyIn(input), init.body ?? null, headers) };
}

function readRequestBody(method, bodyBefore, init, headers) {
  if ((method === "GET" || method === "HEAD") && (init !== null || bodyBefore !== null)) {
    throw new TypeError(`a request with the method ${method} has no body`);
  }
  if (init === null) {
    if (bodyBefore === null) {
      return null;
    }
    // The body goes over: who made the first request has given it away.
    refuseIfUsed(bodyBefore);
    const body = { ...bodyBefore };
    Object.assign(bodyBefore, { bytes: undefined, source: undefined, stream: undefined, isUsed: true });
    return body;
  }
  const [body, type] = bodyOf(init);
  if (type !== undefined && !headers.has("content-type")) {
    headers.append("content-type", type);
  }
  return body;
}

function methodOf(method) {
  const text = `${method}`;
  if (native.headerName(text) === undefined || ["CONNECT", "TRACE", "TRACK"].includes(text.toUpperCase())) {
    throw new TypeError(`${quote(cut(text, 100))} is not a method that a request may have`);
  }
  // The web leaves `patch` in lower case, which no server takes.
  return METHODS.includes(text.toUpperCase()) ? text.toUpperCase() : text;
}

function absoluteUrl(input) {
  const text = wellFormed(input);
  const url = parseUrl(text);
  if (url === undefined) {
    throw new TypeError(`${quote(cut(text, 200))} is not an absolute URL`);
  }
  if (url.scheme !== "http" && url.scheme !== "https") {
    throw new TypeError(`a request goes to https: or http:, not to ${quote(cut(`${url.scheme}:`, 100))}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("a request's URL must have no credentials in it: use ctx.basicAuth(user, name) as the header authorization");
  }
  return serializeUrl(url);
}
