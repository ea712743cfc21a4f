// https://fetch.spec.whatwg.org/#headers-class. Names are kept in lower case, as HTTP/2 has them.

/** The headers as a list of [name, value], as they were added; undefined for anything else. */
let headersList;
/** From here on the headers cannot be changed. */
let freezeHeaders;
/** Adds a header where there is none of its name, which is in lower case. */
let addIfMissing;

class Headers {
  #list = [];
  #isFrozen = false;
  /** The list as it was when it was sorted last; one that is changed is another one, or longer. */
  #sortedList;
  #sortedLength;
  #sortedPairs;

  constructor(init) {
    if (init === undefined) {
      return;
    }
    if (typeof init !== "object" || init === null) {
      throw new TypeError("the first argument of Headers must be an object, a list of pairs, or Headers");
    }
    const given = headersList(init);
    if (given !== undefined) {
      this.#list = given.map((pair) => [pair[0], pair[1]]);
    } else if (typeof init[Symbol.iterator] === "function") {
      Array.from(init, ([...pair]) => this.#appendPair(pair));
    } else {
      const names = Object.keys(init);
      for (let at = 0; at < names.length; at += 1) {
        this.#list.push([headerName(names[at]), headerValue(names[at], init[names[at]])]);
      }
    }
  }

  static {
    headersList = (value) => (typeof value === "object" && value !== null && #list in value ? value.#list : undefined);
    freezeHeaders = (headers) => {
      headers.#isFrozen = true;
    };
    addIfMissing = (headers, name, value) => {
      if (findHeader(headers.#list, name) === -1) {
        headers.#list.push([name, value]);
      }
    };
  }

  append(name, value) {
    needArguments("append", arguments, 2);
    const pair = [headerName(name), headerValue(name, value)];
    this.#refuseIfFrozen();
    this.#list.push(pair);
  }

  delete(name) {
    needArguments("delete", arguments, 1);
    const wanted = headerName(name);
    this.#refuseIfFrozen();
    this.#list = this.#list.filter(([other]) => other !== wanted);
  }

  get(name) {
    needArguments("get", arguments, 1);
    return valueOfHeader(this.#list, headerName(name));
  }

  getSetCookie() {
    return this.#list.filter(([name]) => name === "set-cookie").map(([, value]) => value);
  }

  has(name) {
    needArguments("has", arguments, 1);
    return findHeader(this.#list, headerName(name)) !== -1;
  }

  /** The first of the name stays at its place with the new value, the others go. */
  set(name, value) {
    needArguments("set", arguments, 2);
    const pair = [headerName(name), headerValue(name, value)];
    this.#refuseIfFrozen();
    const at = this.#list.findIndex(([other]) => other === pair[0]);
    const rest = this.#list.filter(([other]) => other !== pair[0]);
    this.#list = at === -1 ? [...rest, pair] : rest.toSpliced(Math.min(at, rest.length), 0, pair);
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
    for (let at = 0; at < this.#sorted().length; at += 1) {
      yield [...this.#sorted()[at]];
    }
  }

  *keys() {
    for (let at = 0; at < this.#sorted().length; at += 1) {
      yield this.#sorted()[at][0];
    }
  }

  *values() {
    for (let at = 0; at < this.#sorted().length; at += 1) {
      yield this.#sorted()[at][1];
    }
  }

  /** As they are now: whoever goes through them sees what changes meanwhile. Sorted again only after a change. */
  #sorted() {
    if (this.#sortedList !== this.#list || this.#sortedLength !== this.#list.length) {
      this.#sortedPairs = sortedHeaders(this.#list);
      this.#sortedList = this.#list;
      this.#sortedLength = this.#list.length;
    }
    return this.#sortedPairs;
  }

  #appendPair(pair) {
    if (pair.length !== 2) {
      throw new TypeError("each item of the list of headers must be a pair of a name and a value");
    }
    this.append(...pair);
  }

  #refuseIfFrozen() {
    if (this.#isFrozen) {
      throw new TypeError("the headers of a response that came from outside cannot be changed: make new Headers(response.headers)");
    }
  }
}

Object.defineProperty(Headers.prototype, Symbol.iterator, {
  value: Headers.prototype.entries,
  writable: true,
  configurable: true,
  enumerable: false,
});
finishInterface(Headers);

/** Headers of what the host gave, names and values in one list: it has checked them, and names are in lower case. */
function headersOfHost(given) {
  const headers = new Headers();
  const list = headersList(headers);
  for (let at = 0; at < given.length; at += 2) {
    list.push([given[at], given[at + 1]]);
  }
  freezeHeaders(headers);
  return headers;
}

/** Where the first header of a name in lower case stands; -1 where there is none. */
function findHeader(list, wanted) {
  for (let at = 0; at < list.length; at += 1) {
    if (list[at][0] === wanted) {
      return at;
    }
  }
  return -1;
}

/** All values of a name in lower case, joined; null where there is none. */
function valueOfHeader(list, wanted) {
  let value = null;
  for (let at = 0; at < list.length; at += 1) {
    if (list[at][0] === wanted) {
      value = value === null ? list[at][1] : `${value}, ${list[at][1]}`;
    }
  }
  return value;
}

/** By name; those of one name are one, but for set-cookie, whose values cannot be joined. */
function sortedHeaders(list) {
  const names = [...new Set(list.map(([name]) => name))].sort();
  return names.flatMap((name) => (name === "set-cookie" ? list.filter(([other]) => other === name).map((pair) => [...pair]) : [[name, valueOfHeader(list, name)]]));
}

function headerName(name) {
  const text = `${name}`;
  const lower = native.headerName(text);
  if (lower === undefined) {
    throw new TypeError(`${quote(cut(text, 100))} is not the name of a header`);
  }
  return lower;
}

function headerValue(name, value) {
  const normal = native.headerValue(`${value}`);
  if (normal === undefined) {
    throw new TypeError(`the value of the header ${quote(cut(`${name}`, 100))} must be of characters up to U+00FF, without line breaks`);
  }
  return normal;
}
