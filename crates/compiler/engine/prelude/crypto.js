// https://www.w3.org/TR/webcrypto-2/: randomness and digests.

/** The bound that the standard sets for one call. */
const RANDOM_BYTES_MAX = 65_536;
const INTEGER_ARRAYS = new Set(
  ["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array", "BigUint64Array"],
);
const DIGESTS = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];

/** The name as the host knows it, of a text or of {name}, in whatever case. */
function digestName(algorithm) {
  const name = `${typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm}`;
  const known = DIGESTS.find((digest) => digest === name.toUpperCase());
  if (known === undefined) {
    throw new DOMException(`the digest ${quote(name)} is not known: known are ${DIGESTS.join(", ")}`, "NotSupportedError");
  }
  return known;
}

const subtle = {
  async digest(algorithm, data) {
    const known = digestName(algorithm);
    const bytes = bytesOf(data, "the data of a digest");
    refuseWhileBuilding("crypto.subtle.digest");
    return native.digest(known, bytes);
  },
};

const crypto = {
  subtle,

  getRandomValues(array) {
    if (!INTEGER_ARRAYS.has(native.classOf(array))) {
      throw new DOMException("getRandomValues needs a typed array of integers", "TypeMismatchError");
    }
    if (array.byteLength > RANDOM_BYTES_MAX) {
      throw new DOMException(`getRandomValues gives ${RANDOM_BYTES_MAX} bytes at most, not ${array.byteLength}`, "QuotaExceededError");
    }
    refuseWhileBuilding("crypto.getRandomValues");
    if (array.byteLength > 0) {
      native.randomFill(bytesOf(array));
    }
    return array;
  },

  /** Version 4, variant 1 (RFC 9562, section 5.4). */
  randomUUID() {
    refuseWhileBuilding("crypto.randomUUID");
    const bytes = new Uint8Array(16);
    native.randomFill(bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  },
};

Object.defineProperty(crypto, Symbol.toStringTag, { value: "Crypto", configurable: true });
Object.defineProperty(subtle, Symbol.toStringTag, { value: "SubtleCrypto", configurable: true });
defineGlobal("crypto", crypto);
