// https://fetch.spec.whatwg.org/#request-class, as far as it concerns a program: no modes, caches or referrers.

const METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const REDIRECTS = ["follow", "error", "manual"];

/** An object with url, method, redirect and signal of a request; undefined for anything else. */
let requestHead;

class Request extends Body {
  #head;

  constructor(input, init) {
    needArguments("Request", arguments, 1);
    const request = readRequest(input, init);
    request.headers ??= new Headers();
    super(request);
    this.#head = request;
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
    const { url, method, redirect, signal } = this.#head;
    const clone = new Request(url, { method, redirect, signal, headers: this.headers });
    setBody(clone, cloneBody(bodyIn(this)));
    return clone;
  }
}

finishInterface(Request);

/** {url, method, redirect, signal, headers, body} from what `new Request` is given; `headers` is undefined where there are none. */
function readRequest(input, init) {
  if (init === undefined || init === null) {
    return typeof input === "string" ? plainRequest(absoluteUrl(input)) : readRequestWith(input, {});
  }
  if (typeof init !== "object") {
    throw new TypeError("the second argument of a request must be an object like { method: \"POST\", headers, body }");
  }
  return readRequestWith(input, init);
}

function plainRequest(url) {
  return { url, method: "GET", redirect: "follow", signal: undefined, headers: undefined, body: null };
}

function readRequestWith(input, init) {
  const given = requestHead(input);
  const method = init.method === undefined ? (given?.method ?? "GET") : methodOf(init.method);
  const redirect = init.redirect === undefined ? (given?.redirect ?? "follow") : redirectOf(init.redirect);
  const signal = init.signal === undefined ? given?.signal : (init.signal ?? undefined);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("`signal` of a request must be an AbortSignal");
  }
  const url = given?.url ?? absoluteUrl(input);
  const givenHeaders = init.headers ?? (given === undefined ? undefined : input.headers);
  const request = { url, method, redirect, signal, headers: givenHeaders === undefined ? undefined : new Headers(givenHeaders), body: null };
  readRequestBody(request, given === undefined ? null : bodyIn(input), init.body ?? null);
  return request;
}

function redirectOf(redirect) {
  const text = `${redirect}`;
  if (!REDIRECTS.includes(text)) {
    throw new TypeError(`\`redirect\` of a request must be ${REDIRECTS.join(", ")}, not ${quote(cut(text, 100))}`);
  }
  return text;
}

function readRequestBody(request, bodyBefore, init) {
  if (init === null && bodyBefore === null) {
    return;
  }
  if (request.method === "GET" || request.method === "HEAD") {
    throw new TypeError(`a request with the method ${request.method} has no body`);
  }
  if (init === null) {
    // The body goes over: who made the first request has given it away.
    refuseIfUsed(bodyBefore);
    request.body = { ...bodyBefore };
    Object.assign(bodyBefore, { bytes: undefined, source: undefined, stream: undefined, isUsed: true });
    return;
  }
  const [body, type] = bodyOf(init);
  request.body = body;
  if (type !== undefined) {
    request.headers ??= new Headers();
    addIfMissing(request.headers, "content-type", type);
  }
}

function methodOf(method) {
  const text = `${method}`;
  if (METHODS.includes(text)) {
    return text;
  }
  if (native.headerName(text) === undefined || ["CONNECT", "TRACE", "TRACK"].includes(text.toUpperCase())) {
    throw new TypeError(`${quote(cut(text, 100))} is not a method that a request may have`);
  }
  // The web leaves `patch` in lower case, which no server takes.
  return METHODS.includes(text.toUpperCase()) ? text.toUpperCase() : text;
}

function absoluteUrl(input) {
  if (typeof input === "string" && native.isNormalUrl(input)) {
    return input;
  }
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
