// RFC 3492, with the parameters of IDNA.
const PUNYCODE = { base: 36, tMin: 1, tMax: 26, skew: 38, damp: 700, initialBias: 72, initialN: 128, codePointMax: 0x10ffff };

function adaptBias(delta, count, isFirst) {
  let rest = isFirst ? Math.floor(delta / PUNYCODE.damp) : Math.floor(delta / 2);
  rest += Math.floor(rest / count);
  let k = 0;
  for (; rest > ((PUNYCODE.base - PUNYCODE.tMin) * PUNYCODE.tMax) / 2; k += PUNYCODE.base) {
    rest = Math.floor(rest / (PUNYCODE.base - PUNYCODE.tMin));
  }
  return k + Math.floor(((PUNYCODE.base - PUNYCODE.tMin + 1) * rest) / (rest + PUNYCODE.skew));
}

function threshold(k, bias) {
  return Math.min(Math.max(k - bias, PUNYCODE.tMin), PUNYCODE.tMax);
}

const PUNYCODE_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A label with characters above ASCII, without the prefix `xn--`. */
function punycodeEncode(label) {
  const codePoints = Array.from(label, (character) => character.codePointAt(0));
  const basic = codePoints.filter((code) => code < 128);
  let output = String.fromCharCode(...basic) + (basic.length > 0 ? "-" : "");
  let n = PUNYCODE.initialN, delta = 0, bias = PUNYCODE.initialBias, handled = basic.length;
  while (handled < codePoints.length) {
    const next = Math.min(...codePoints.filter((code) => code >= n));
    delta += (next - n) * (handled + 1);
    n = next;
    for (const code of codePoints) {
      if (code < n) {
        delta += 1;
      } else if (code === n) {
        output += variableLengthInteger(delta, bias);
        bias = adaptBias(delta, handled + 1, handled === basic.length);
        delta = 0;
        handled += 1;
      }
    }
    delta += 1;
    n += 1;
  }
  return output;
}

function variableLengthInteger(number, bias) {
  let output = "", rest = number;
  for (let k = PUNYCODE.base; ; k += PUNYCODE.base) {
    const t = threshold(k, bias);
    if (rest < t) {
      return output + PUNYCODE_DIGITS[rest];
    }
    output += PUNYCODE_DIGITS[t + ((rest - t) % (PUNYCODE.base - t))];
    rest = Math.floor((rest - t) / (PUNYCODE.base - t));
  }
}

/** The label that an `xn--` label stands for, without that prefix; undefined where it stands for none. */
function punycodeDecode(encoded) {
  const lastDash = encoded.lastIndexOf("-");
  const output = Array.from(encoded.slice(0, Math.max(lastDash, 0)), (character) => character.charCodeAt(0));
  let n = PUNYCODE.initialN, at = 0, bias = PUNYCODE.initialBias;
  for (let next = lastDash > 0 ? lastDash + 1 : 0; next < encoded.length; ) {
    const before = at;
    for (let weight = 1, k = PUNYCODE.base; ; k += PUNYCODE.base, next += 1) {
      const digit = PUNYCODE_DIGITS.indexOf(encoded[next] ?? " ");
      if (digit === -1 || at > Number.MAX_SAFE_INTEGER / PUNYCODE.base) {
        return undefined;
      }
      at += digit * weight;
      const t = threshold(k, bias);
      if (digit < t) {
        next += 1;
        break;
      }
      weight *= PUNYCODE.base - t;
    }
    bias = adaptBias(at - before, output.length + 1, before === 0);
    n += Math.floor(at / (output.length + 1));
    at %= output.length + 1;
    if (n > PUNYCODE.codePointMax || (n >= 0xd800 && n <= 0xdfff)) {
      return undefined;
    }
    output.splice(at, 0, n);
    at += 1;
  }
  return String.fromCodePoint(...output);
}
