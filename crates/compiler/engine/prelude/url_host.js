// Hosts of URLs: https://url.spec.whatwg.org/#host-parsing. `undefined` is what the standard calls failure.

const FORBIDDEN_HOST = /[\0\t\n\r #/:<>?@[\\\]^|]/;
const FORBIDDEN_DOMAIN = /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7F]/;

function parseHost(input, isOpaque) {
  if (input.startsWith("[")) {
    return input.endsWith("]") ? parseIpv6(input.slice(1, -1)) : undefined;
  }
  if (isOpaque) {
    return FORBIDDEN_HOST.test(input) ? undefined : percentEncode(input, C0_CONTROL_SET);
  }
  const domain = domainToAscii(native.decodeUtf8(percentDecode(input)));
  if (domain === undefined || domain === "" || FORBIDDEN_DOMAIN.test(domain)) {
    return undefined;
  }
  return endsInNumber(domain) ? parseIpv4(domain) : domain;
}

/**
 * Unicode names to ASCII (UTS #46, non-transitional). The mapping of the standard's table is made here of what the engine knows:
 * lower case, then NFKC, without what is ignored. It differs from the table for a handful of rare characters.
 */
function domainToAscii(domain) {
  if (/^[\0-\x7F]*$/.test(domain) && !/(?:^|\.)xn--/i.test(domain)) {
    return domain.toLowerCase();
  }
  const labels = mapDomain(domain).split(".").map(labelToAscii);
  return labels.includes(undefined) ? undefined : labels.join(".");
}

/** Soft hyphen, joiners of no width, variation selectors and their like. */
const IGNORED_IN_DOMAINS = /[\u00AD\u034F\u180B-\u180D\u180F\u200B\u2060\u2064\uFE00-\uFE0F\uFEFF]/g;

function mapDomain(domain) {
  const lower = (text) => Array.from(text, (character) => (character === "\u1E9E" ? "ß" : character.toLowerCase())).join("");
  const mapped = lower(lower(domain.replace(IGNORED_IN_DOMAINS, "")).normalize("NFKC"));
  return mapped.replaceAll("\u3002", ".").replace(IGNORED_IN_DOMAINS, "").normalize("NFC");
}

function labelToAscii(label) {
  if (!label.startsWith("xn--")) {
    return /^[\0-\x7F]*$/.test(label) ? label : isValidLabel(label) ? `xn--${punycodeEncode(label)}` : undefined;
  }
  const decoded = /^[\0-\x7F]*$/.test(label) ? punycodeDecode(label.slice(4)) : undefined;
  const isValid = decoded !== undefined && /[^\0-\x7F]/.test(decoded) && mapDomain(decoded) === decoded && isValidLabel(decoded);
  return isValid ? label : undefined;
}

/** No combining mark first, and nothing that is no character of a name: not assigned, private, control. */
function isValidLabel(label) {
  return !/^\p{M}/u.test(label) && !/[\p{Cn}\p{Co}\p{Cc}\p{Cs}\p{Z}\uFFFD]/u.test(label);
}

/** https://url.spec.whatwg.org/#ends-in-a-number-checker */
function endsInNumber(domain) {
  const parts = domain.split(".");
  if (parts.at(-1) === "" && parts.length > 1) {
    parts.pop();
  }
  return /^(?:[0-9]+|0[xX][0-9A-Fa-f]*)$/.test(parts.at(-1));
}

/** Decimal, octal (0...) and hexadecimal (0x...) parts; the last fills all bytes that are left. */
function parseIpv4(domain) {
  const parts = domain.split(".");
  if (parts.at(-1) === "" && parts.length > 1) {
    parts.pop();
  }
  const numbers = parts.map(parseIpv4Number);
  const last = numbers.pop();
  const isWrong = numbers.length > 3 || numbers.some((number) => !(number <= 255)) || !(last < 256 ** (4 - numbers.length));
  if (isWrong) {
    return undefined;
  }
  const address = numbers.reduce((sum, number, at) => sum + number * 256 ** (3 - at), last);
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

function parseIpv4Number(part) {
  if (/^0[xX][0-9A-Fa-f]*$/.test(part)) {
    return part.length === 2 ? 0 : parseInt(part.slice(2), 16);
  }
  if (/^0[0-7]+$/.test(part)) {
    return parseInt(part, 8);
  }
  return /^(?:0|[1-9][0-9]*)$/.test(part) ? parseInt(part, 10) : NaN;
}

/** https://url.spec.whatwg.org/#concept-ipv6-parser; gives the text with its brackets. */
function parseIpv6(input) {
  const halves = input.split("::");
  if (halves.length > 2) {
    return undefined;
  }
  const [head, tail] = halves.map((half, at) => parseIpv6Pieces(half, at === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) {
    return undefined;
  }
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) {
    return undefined;
  }
  return `[${serializeIpv6([...head, ...new Array(missing).fill(0), ...(tail ?? [])])}]`;
}

/** Pieces of 16 bits; an IPv4 address may stand for the last two. */
function parseIpv6Pieces(half, mayEndInIpv4) {
  if (half === "") {
    return [];
  }
  const pieces = [];
  const parts = half.split(":");
  for (const [at, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      pieces.push(parseInt(part, 16));
      continue;
    }
    const octets = mayEndInIpv4 && at === parts.length - 1 ? /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(part)?.slice(1) : undefined;
    if (octets === undefined || octets.some((octet) => /^0\d/.test(octet) || Number(octet) > 255)) {
      return undefined;
    }
    pieces.push(Number(octets[0]) * 256 + Number(octets[1]), Number(octets[2]) * 256 + Number(octets[3]));
  }
  return pieces;
}

/** The first longest run of zeros, of two at least, is `::`. */
function serializeIpv6(pieces) {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && pieces[start + length] === 0) {
      length += 1;
    }
    best = length > best.length ? { start, length } : best;
  }
  const hexadecimal = (part) => part.map((piece) => piece.toString(16)).join(":");
  if (best.start === -1) {
    return hexadecimal(pieces);
  }
  return `${hexadecimal(pieces.slice(0, best.start))}::${hexadecimal(pieces.slice(best.start + best.length))}`;
}
