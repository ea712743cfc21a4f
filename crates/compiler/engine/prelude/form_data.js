// https://xhr.spec.whatwg.org/#interface-formdata

/** The entries of a form as a list of [name, text or File]; undefined for anything else. */
let formEntries;

class FormData {
  #entries = [];

  constructor(form) {
    if (form !== undefined) {
      throw new TypeError("new FormData() takes no argument: there are no form elements here");
    }
  }

  static {
    formEntries = (value) => (typeof value === "object" && value !== null && #entries in value ? value.#entries : undefined);
  }

  append(name, value, filename) {
    needArguments("append", arguments, 2);
    this.#entries.push(formEntry(name, value, filename));
  }

  delete(name) {
    needArguments("delete", arguments, 1);
    const isMeant = pairTest(name);
    this.#entries = this.#entries.filter((entry) => !isMeant(entry));
  }

  get(name) {
    needArguments("get", arguments, 1);
    return this.#entries.find(pairTest(name))?.[1] ?? null;
  }

  getAll(name) {
    needArguments("getAll", arguments, 1);
    return this.#entries.filter(pairTest(name)).map(([, value]) => value);
  }

  has(name) {
    needArguments("has", arguments, 1);
    return this.#entries.some(pairTest(name));
  }

  /** The first of the name stays at its place with the new value, the others go. */
  set(name, value, filename) {
    needArguments("set", arguments, 2);
    const entry = formEntry(name, value, filename);
    const isMeant = pairTest(name);
    const first = this.#entries.find(isMeant);
    this.#entries = first === undefined ? [...this.#entries, entry] : this.#entries.filter((other) => other === first || !isMeant(other)).map((other) => (other === first ? entry : other));
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
    for (let at = 0; at < this.#entries.length; at += 1) {
      yield [...this.#entries[at]];
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
}

Object.defineProperty(FormData.prototype, Symbol.iterator, {
  value: FormData.prototype.entries,
  writable: true,
  configurable: true,
  enumerable: false,
});
finishInterface(FormData);

/** A Blob becomes a File, with the given name, or with its own. */
function formEntry(name, value, filename) {
  const bytes = blobBytes(value);
  if (bytes === undefined) {
    if (filename !== undefined) {
      throw new TypeError("only a Blob or a File has a filename in a form");
    }
    return [wellFormed(name), wellFormed(value)];
  }
  if (value instanceof File && filename === undefined) {
    return [wellFormed(name), value];
  }
  return [wellFormed(name), fileOf(bytes, filename ?? "blob", value.type)];
}
