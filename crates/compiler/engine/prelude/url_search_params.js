// https://url.spec.whatwg.org/#interface-urlsearchparams

/** Makes the params of a URL: they read its query, and write it back. */
let searchParamsOf;
/** Has the params of a URL read its query again. */
let rereadSearchParams;

const wellFormed = (value) => `${value}`.toWellFormed();

class URLSearchParams {
  #pairs = [];
  /** Called with the new query after every change; none where there is no URL. */
  #whenChanged;

  constructor(init = "") {
    if ((typeof init === "object" && init !== null) || typeof init === "function") {
      this.#pairs = typeof init[Symbol.iterator] === "function" ? pairsOfSequence(init) : pairsOfRecord(init);
    } else {
      this.#pairs = parseForm(wellFormed(init).replace(/^\?/, ""));
    }
  }

  static {
    searchParamsOf = (query, whenChanged) => {
      const params = new URLSearchParams(query);
      params.#whenChanged = whenChanged;
      return params;
    };
    rereadSearchParams = (params, query) => {
      params.#pairs = parseForm(query);
    };
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    needArguments("append", arguments, 2);
    this.#pairs.push([wellFormed(name), wellFormed(value)]);
    this.#changed();
  }

  delete(name, value) {
    needArguments("delete", arguments, 1);
    const isMeant = pairTest(name, value);
    this.#pairs = this.#pairs.filter((pair) => !isMeant(pair));
    this.#changed();
  }

  get(name) {
    needArguments("get", arguments, 1);
    return this.#pairs.find(pairTest(name))?.[1] ?? null;
  }

  getAll(name) {
    needArguments("getAll", arguments, 1);
    return this.#pairs.filter(pairTest(name)).map(([, value]) => value);
  }

  has(name, value) {
    needArguments("has", arguments, 1);
    return this.#pairs.some(pairTest(name, value));
  }

  /** The first of the name stays at its place with the new value, the others go. */
  set(name, value) {
    needArguments("set", arguments, 2);
    const isMeant = pairTest(name);
    const first = this.#pairs.find(isMeant);
    const pair = [wellFormed(name), wellFormed(value)];
    this.#pairs =
      first === undefined ? [...this.#pairs, pair] : this.#pairs.filter((other) => other === first || !isMeant(other)).map((other) => (other === first ? pair : other));
    this.#changed();
  }

  /** By name, in UTF-16 units; those of one name keep their order. */
  sort() {
    this.#pairs.sort(([first], [second]) => (first < second ? -1 : first > second ? 1 : 0));
    this.#changed();
  }

  forEach(callback, self) {
    if (typeof callback !== "function") {
      throw new TypeError("the first argument of forEach must be a function");
    }
    for (const [name, value] of this) {
      callback.call(self, value, name, this);
    }
  }

  *entries() {
    // By index, because a list that changes while it is gone through is followed.
    for (let at = 0; at < this.#pairs.length; at += 1) {
      yield [...this.#pairs[at]];
    }
  }

  *keys() {
    for (const [name] of this.entries()) {
      yield name;
    }
  }

  *values() {
    for (const [, value] of this.entries()) {
      yield value;
    }
  }

  toString() {
    return serializeForm(this.#pairs);
  }

  #changed() {
    this.#whenChanged?.(serializeForm(this.#pairs));
  }
}

Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
  value: URLSearchParams.prototype.entries,
  writable: true,
  configurable: true,
  enumerable: false,
});
finishInterface(URLSearchParams);

function needArguments(method, given, count) {
  if (given.length < count) {
    throw new TypeError(`${method} needs ${count === 1 ? "an argument" : `${count} arguments`}`);
  }
}

function pairTest(name, value) {
  const wantedName = wellFormed(name);
  const wantedValue = value === undefined ? undefined : wellFormed(value);
  return (pair) => pair[0] === wantedName && (wantedValue === undefined || pair[1] === wantedValue);
}

function pairsOfSequence(sequence) {
  return Array.from(sequence, (item) => {
    const pair = [...item];
    if (pair.length !== 2) {
      throw new TypeError("each item of the list must be a pair of a name and a value");
    }
    return pair.map(wellFormed);
  });
}

function pairsOfRecord(record) {
  // Names that are equal once they are well formed count once, with the last value.
  const keys = Reflect.ownKeys(record).filter((key) => Object.prototype.propertyIsEnumerable.call(record, key));
  return [...new Map(keys.map((key) => [wellFormed(key), wellFormed(record[key])]))];
}

/** https://url.spec.whatwg.org/#concept-urlencoded-parser */
function parseForm(text) {
  const decode = (part) => native.decodeUtf8(percentDecode(part.replaceAll("+", " ")));
  return text
    .split("&")
    .filter((part) => part !== "")
    .map((part) => {
      const at = part.indexOf("=");
      return at === -1 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))];
    });
}

function serializeForm(pairs) {
  const encode = (text) => percentEncode(text, FORM_SET).replaceAll("%20", "+");
  return pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");
}
