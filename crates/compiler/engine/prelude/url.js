// https://url.spec.whatwg.org/#url-class

class URL {
  #url;
  #searchParams;

  constructor(input, base) {
    const parsed = parseWithBase(input, base);
    if (parsed === undefined) {
      const against = base === undefined ? "" : ` with the base ${quote(cut(`${base}`, 200))}`;
      throw new TypeError(`${quote(cut(`${input}`, 200))}${against} is not a URL`);
    }
    this.#url = parsed;
  }

  static parse(input, base) {
    return URL.canParse(input, base) ? new URL(input, base) : null;
  }

  static canParse(input, base) {
    return parseWithBase(input, base) !== undefined;
  }

  get href() {
    return serializeUrl(this.#url);
  }

  set href(text) {
    const parsed = parseUrl(wellFormed(text));
    if (parsed === undefined) {
      throw new TypeError(`${quote(cut(`${text}`, 200))} is not a URL`);
    }
    this.#url = parsed;
    this.#queryChanged();
  }

  get origin() {
    const { scheme, host, port } = this.#url;
    if (scheme === "blob") {
      const inner = parseUrl(serializePath(this.#url));
      return inner !== undefined && (inner.scheme === "http" || inner.scheme === "https") ? originText(inner) : "null";
    }
    return SPECIAL_PORTS.has(scheme) && scheme !== "file" ? originText({ scheme, host, port }) : "null";
  }

  get protocol() {
    return `${this.#url.scheme}:`;
  }

  set protocol(text) {
    reparse(this.#url, `${wellFormed(text)}:`, "scheme start");
  }

  get username() {
    return this.#url.username;
  }

  set username(text) {
    if (this.#mayHaveCredentials()) {
      this.#url.username = percentEncode(wellFormed(text), USERINFO_SET);
    }
  }

  get password() {
    return this.#url.password;
  }

  set password(text) {
    if (this.#mayHaveCredentials()) {
      this.#url.password = percentEncode(wellFormed(text), USERINFO_SET);
    }
  }

  get host() {
    const { host, port } = this.#url;
    return host === null ? "" : port === null ? host : `${host}:${port}`;
  }

  set host(text) {
    if (!hasOpaquePath(this.#url)) {
      reparse(this.#url, wellFormed(text), "host");
    }
  }

  get hostname() {
    return this.#url.host ?? "";
  }

  set hostname(text) {
    if (!hasOpaquePath(this.#url)) {
      reparse(this.#url, wellFormed(text), "hostname");
    }
  }

  get port() {
    return this.#url.port === null ? "" : `${this.#url.port}`;
  }

  set port(text) {
    if (!this.#mayHaveCredentials()) {
      return;
    }
    const port = wellFormed(text);
    if (port === "") {
      this.#url.port = null;
    } else {
      reparse(this.#url, port, "port");
    }
  }

  get pathname() {
    return serializePath(this.#url);
  }

  set pathname(text) {
    if (!hasOpaquePath(this.#url)) {
      this.#url.path = [];
      reparse(this.#url, wellFormed(text), "path start");
    }
  }

  get search() {
    return this.#url.query ? `?${this.#url.query}` : "";
  }

  set search(text) {
    const search = wellFormed(text);
    this.#url.query = search === "" ? null : "";
    if (search !== "") {
      reparse(this.#url, search.replace(/^\?/, ""), "query");
    }
    this.#queryChanged();
  }

  get searchParams() {
    this.#searchParams ??= searchParamsOf(this.#url.query ?? "", (query) => {
      this.#url.query = query === "" ? null : query;
    });
    return this.#searchParams;
  }

  get hash() {
    return this.#url.fragment ? `#${this.#url.fragment}` : "";
  }

  set hash(text) {
    const fragment = wellFormed(text);
    this.#url.fragment = fragment === "" ? null : "";
    if (fragment !== "") {
      reparse(this.#url, fragment.replace(/^#/, ""), "fragment");
    }
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }

  /** Also the port: a URL without a host has none of them. */
  #mayHaveCredentials() {
    const { host, scheme } = this.#url;
    return host !== null && host !== "" && scheme !== "file";
  }

  #queryChanged() {
    if (this.#searchParams !== undefined) {
      rereadSearchParams(this.#searchParams, this.#url.query ?? "");
    }
  }
}
finishInterface(URL);

function parseWithBase(input, base) {
  const parsedBase = base === undefined ? undefined : parseUrl(wellFormed(base));
  return base !== undefined && parsedBase === undefined ? undefined : parseUrl(wellFormed(input), parsedBase);
}

function originText({ scheme, host, port }) {
  return `${scheme}://${host}${port === null ? "" : `:${port}`}`;
}
