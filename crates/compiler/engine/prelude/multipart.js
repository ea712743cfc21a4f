// https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data (RFC 7578)

/** What a boundary is made of besides: nothing of a form is likely to have it. */
const BOUNDARY = "----toolwright-form-";

/** A form as a body: its bytes, and its media type. */
function encodeMultipart(entries) {
  const boundary = `${BOUNDARY}${[1, 2, 3].map(() => Math.floor(native.random() * 2 ** 32).toString(36)).join("")}`;
  const parts = entries.flatMap(([name, value]) => {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name.replace(/\r\n?|\n/g, "\r\n"))}"`;
    const bytes = blobBytes(value);
    return bytes === undefined
      ? [native.encodeUtf8(`${head}\r\n\r\n${value.replace(/\r\n?|\n/g, "\r\n")}\r\n`)]
      : [
          native.encodeUtf8(`${head}; filename="${escapeName(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}\r\n\r\n`),
          bytes,
          native.encodeUtf8("\r\n"),
        ];
  });
  return { bytes: concatBytes([...parts, native.encodeUtf8(`--${boundary}--\r\n`)]), type: `multipart/form-data; boundary=${boundary}` };
}

const escapeName = (name) => name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");

/** The form that a body is. `type` is its header content-type. */
function parseFormData(bytes, type) {
  const [, essence, parameters] = /^\s*([^;\s]+)\s*(?:;(.*))?$/s.exec(type ?? "") ?? [];
  const form = new FormData();
  if (essence?.toLowerCase() === "application/x-www-form-urlencoded") {
    parseForm(native.decodeUtf8(bytes)).forEach(([name, value]) => form.append(name, value));
    return form;
  }
  const boundary = essence?.toLowerCase() === "multipart/form-data" ? parameterOf(parameters ?? "", "boundary") : undefined;
  if (boundary === undefined) {
    throw new TypeError(`a body of the type ${quote(cut(type ?? "", 100))} is not a form`);
  }
  splitMultipart(bytes, boundary).forEach((part) => appendPart(form, part));
  return form;
}

/** A parameter of a header, in quotes or not; undefined where it is not there. */
function parameterOf(text, name) {
  const [, quoted, bare] = new RegExp(`(?:^|;)\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;"\\s]+))`, "is").exec(text) ?? [];
  return quoted?.replace(/\\(["\\])/g, "$1") ?? bare;
}

const NOT_MULTIPART = "the body is not well formed multipart/form-data";

/** The parts between boundaries: {head: text, bytes}. */
function splitMultipart(bytes, boundary) {
  const dashes = native.encodeUtf8(`--${boundary}`);
  const separator = native.encodeUtf8(`\r\n--${boundary}`);
  const emptyLine = native.encodeUtf8("\r\n\r\n");
  const parts = [];
  let at = native.find(bytes, dashes, 0);
  if (at !== 0) {
    at = native.find(bytes, separator, 0);
    at = at === -1 ? -1 : at + 2;
  }
  for (;;) {
    if (at === -1) {
      throw new TypeError(NOT_MULTIPART);
    }
    const lineStart = at + dashes.length;
    if (bytes[lineStart] === 0x2d && bytes[lineStart + 1] === 0x2d) {
      return parts;
    }
    const headEnd = native.find(bytes, emptyLine, lineStart);
    const next = native.find(bytes, separator, headEnd === -1 ? bytes.length : headEnd + 2);
    if (headEnd === -1 || next === -1) {
      throw new TypeError(NOT_MULTIPART);
    }
    // A part of nothing ends with the line break that ends its head.
    parts.push({ head: native.decodeUtf8(bytes.subarray(lineStart, headEnd)), bytes: bytes.slice(headEnd + 4, Math.max(next, headEnd + 4)) });
    at = next + 2;
  }
}

function appendPart(form, { head, bytes }) {
  const header = (name) => new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(head)?.[1].trim();
  const disposition = header("content-disposition") ?? "";
  const plain = (text) => text?.replace(/%0D/gi, "\r").replace(/%0A/gi, "\n").replaceAll("%22", '"');
  const name = plain(parameterOf(disposition, "name"));
  const filename = plain(parameterOf(disposition, "filename"));
  if (!/^form-data\s*;/i.test(disposition) || name === undefined) {
    throw new TypeError(NOT_MULTIPART);
  }
  if (filename === undefined) {
    form.append(name, native.decodeUtf8(bytes));
  } else {
    form.append(name, fileOf(bytes, filename, header("content-type") ?? "text/plain"));
  }
}
