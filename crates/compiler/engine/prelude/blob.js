// https://w3c.github.io/FileAPI/: bytes that do not change, with a media type.

/** The bytes of a Blob; undefined for anything else. */
let blobBytes;
/** A Blob of bytes that nobody else holds. */
let blobOf;
/** A File of bytes that nobody else holds. */
let fileOf;

class Blob {
  #bytes;
  #type;

  constructor(parts = [], options = {}) {
    if (parts === null || typeof parts !== "object" || typeof parts[Symbol.iterator] !== "function") {
      throw new TypeError("the first argument of a Blob must be a list of its parts");
    }
    const { type = "", endings = "transparent" } = options ?? {};
    if (endings !== "transparent" && endings !== "native") {
      throw new TypeError('`endings` of a Blob must be "transparent" or "native"');
    }
    this.#bytes = concatBytes(Array.from(parts, (part) => bytesOfPart(part, endings)));
    this.#type = mediaTypeOf(type);
  }

  static {
    blobBytes = (value) => (typeof value === "object" && value !== null && #bytes in value ? value.#bytes : undefined);
    blobOf = (bytes, type) => {
      const blob = new Blob([], { type });
      blob.#bytes = bytes;
      return blob;
    };
    fileOf = (bytes, name, type) => {
      const file = new File([], name, { type });
      file.#bytes = bytes;
      return file;
    };
  }

  get size() {
    return this.#bytes.length;
  }

  get type() {
    return this.#type;
  }

  slice(start = 0, end = this.size, contentType = "") {
    return blobOf(this.#bytes.subarray(clampInteger(start), clampInteger(end)), contentType);
  }

  async text() {
    return native.decodeUtf8(this.#bytes).replace(/^\uFEFF/, "");
  }

  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }

  async bytes() {
    return this.#bytes.slice();
  }

  stream() {
    return streamOfBytes(this.#bytes.slice());
  }
}

class File extends Blob {
  #name;
  #lastModified;

  constructor(parts, name, options = {}) {
    needArguments("File", arguments, 2);
    super(parts, options);
    this.#name = wellFormed(name);
    this.#lastModified = clampInteger(options?.lastModified ?? Date.now());
  }

  get name() {
    return this.#name;
  }

  get lastModified() {
    return this.#lastModified;
  }
}

finishInterface(Blob);
finishInterface(File);

const clampInteger = (value) => Math.trunc(Number(value)) || 0;

/** Only what is printable ASCII is a type, in lower case. */
const mediaTypeOf = (type) => (/^[\x20-\x7E]*$/.test(`${type}`) ? `${type}`.toLowerCase() : "");

function bytesOfPart(part, endings) {
  const bytes = bytesIn(part);
  if (bytes !== undefined) {
    return bytes;
  }
  const text = wellFormed(part);
  return native.encodeUtf8(endings === "native" ? text.replace(/\r\n?/g, "\n") : text);
}

/** One array of them all, which shares nothing with them. */
function concatBytes(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
