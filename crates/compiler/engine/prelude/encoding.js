// https://encoding.spec.whatwg.org/ for UTF-8, the one encoding there is here. The bytes are made and read in C.

class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    return native.encodeUtf8(`${text}`);
  }

  /** Whole characters only: as many as fit. */
  encodeInto(text, target) {
    if (native.classOf(target) !== "Uint8Array") {
      throw new TypeError("the second argument of encodeInto must be a Uint8Array");
    }
    const string = `${text}`;
    // A UTF-16 unit is at least one byte, so no more units than that can fit.
    let read = Math.min(string.length, target.length);
    let bytes = native.encodeUtf8(string.slice(0, read));
    while (bytes.length > target.length) {
      const lastUnit = string.charCodeAt(read - 1);
      const excess = bytes.length - target.length;
      // No unit is more than three bytes, so so many have to go at the least.
      read -= Math.max(Math.floor(excess / 3), lastUnit >= 0xdc00 && lastUnit <= 0xdfff ? 2 : 1);
      bytes = native.encodeUtf8(string.slice(0, Math.max(read, 0)));
    }
    read = Math.max(read, 0);
    const splitsPair = read > 0 && read < string.length && /[\uD800-\uDBFF]/.test(string[read - 1]) && /[\uDC00-\uDFFF]/.test(string[read]);
    if (splitsPair) {
      read -= 1;
      bytes = native.encodeUtf8(string.slice(0, read));
    }
    target.set(bytes);
    return { read, written: bytes.length };
  }
}

const UTF8_LABELS = new Set(["unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "utf-8", "utf8", "x-unicode20utf8"]);

class TextDecoder {
  #fatal;
  #ignoreBOM;
  /** Bytes of a character whose rest comes with the next piece of a stream. */
  #unfinished = new Uint8Array();
  #isAtStart = true;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!UTF8_LABELS.has(`${label}`.trim().toLowerCase())) {
      throw new RangeError(`the encoding ${quote(`${label}`)} is not known: only "utf-8" is`);
    }
    this.#fatal = Boolean(fatal);
    this.#ignoreBOM = Boolean(ignoreBOM);
  }

  get encoding() {
    return "utf-8";
  }

  get fatal() {
    return this.#fatal;
  }

  get ignoreBOM() {
    return this.#ignoreBOM;
  }

  decode(input = new Uint8Array(), { stream = false } = {}) {
    let bytes = joinBytes(this.#unfinished, bytesOf(input, "the first argument of decode"));
    const kept = stream ? native.unfinishedUtf8(bytes) : 0;
    this.#unfinished = bytes.slice(bytes.length - kept);
    bytes = bytes.subarray(0, bytes.length - kept);
    if (this.#fatal && !native.isUtf8(bytes)) {
      this.#unfinished = new Uint8Array();
      this.#isAtStart = true;
      throw new TypeError("the bytes are not valid UTF-8");
    }
    const text = native.decodeUtf8(bytes);
    const dropsMark = this.#isAtStart && !this.#ignoreBOM && text.startsWith("\uFEFF");
    this.#isAtStart = stream ? this.#isAtStart && text === "" : true;
    return dropsMark ? text.slice(1) : text;
  }
}

function joinBytes(first, second) {
  if (first.length === 0) {
    return second;
  }
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

finishInterface(TextEncoder);
finishInterface(TextDecoder);
