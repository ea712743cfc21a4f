// https://url.spec.whatwg.org/#percent-encoded-bytes. A set is a table of the ASCII that it encodes; all above ASCII always is.

function percentEncodeSet(base, more) {
  const set = base.slice();
  for (const character of more) {
    set[character.charCodeAt(0)] = true;
  }
  return set;
}

const C0_CONTROL_SET = Array.from({ length: 128 }, (_, code) => code <= 0x1f || code === 0x7f);
const FRAGMENT_SET = percentEncodeSet(C0_CONTROL_SET, ' "<>`');
const QUERY_SET = percentEncodeSet(C0_CONTROL_SET, ' "#<>');
const SPECIAL_QUERY_SET = percentEncodeSet(QUERY_SET, "'");
const PATH_SET = percentEncodeSet(QUERY_SET, "?^`{}");
const USERINFO_SET = percentEncodeSet(PATH_SET, "/:;=@[\\]|");
/** https://www.rfc-editor.org/rfc/rfc3986#section-2.3: all but these. */
const UNRESERVED_SET = percentEncodeSet(USERINFO_SET, "$%&+,!'()*");
const FORM_SET = percentEncodeSet(percentEncodeSet(USERINFO_SET, "$%&+,"), "!'()~");

const PERCENT_BYTES = Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`);

/** `text` as UTF-8, with the bytes that the set names as %XX. */
function percentEncode(text, set) {
  let encoded = "";
  for (const byte of native.encodeUtf8(text)) {
    encoded += byte > 0x7f || set[byte] ? PERCENT_BYTES[byte] : String.fromCharCode(byte);
  }
  return encoded;
}

/** The bytes of `text` with every %XX replaced by its byte; a `%` that no two hexadecimal digits follow stays. */
function percentDecode(text) {
  const bytes = native.encodeUtf8(text);
  if (!text.includes("%")) {
    return bytes;
  }
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const code = bytes[at] === 0x25 ? String.fromCharCode(bytes[at + 1], bytes[at + 2]) : "";
    const isEncoded = /^[0-9A-Fa-f]{2}$/.test(code);
    bytes[length] = isEncoded ? parseInt(code, 16) : bytes[at];
    at += isEncoded ? 2 : 0;
    length += 1;
  }
  return bytes.subarray(0, length);
}
