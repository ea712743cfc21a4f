// https://url.spec.whatwg.org/#url-parsing: the state machine of the standard, state by state, under the standard's names.
//
// A URL record is {scheme, username, password, host, port, path, query, fragment}. `host` is null or a text, `path` is a list of segments
// or, where it is opaque, a text.

const SPECIAL_PORTS = new Map([["ftp", 21], ["file", null], ["http", 80], ["https", 443], ["ws", 80], ["wss", 443]]);
const END = "";

function isSpecial(url) {
  return SPECIAL_PORTS.has(url.scheme);
}

function hasOpaquePath(url) {
  return typeof url.path === "string";
}

const isWindowsDriveLetter = (text) => /^[A-Za-z][:|]$/.test(text);
const isNormalizedWindowsDriveLetter = (text) => /^[A-Za-z]:$/.test(text);
const startsWithWindowsDriveLetter = (text) => /^[A-Za-z][:|](?:[/\\?#]|$)/.test(text);
const isSingleDot = (segment) => /^(?:\.|%2e)$/i.test(segment);
const isDoubleDot = (segment) => /^(?:\.|%2e){2}$/i.test(segment);

function shortenPath(url) {
  const isDriveAlone = url.scheme === "file" && url.path.length === 1 && isNormalizedWindowsDriveLetter(url.path[0]);
  if (!isDriveAlone) {
    url.path.pop();
  }
}

function emptyUrl() {
  return { scheme: "", username: "", password: "", host: null, port: null, path: [], query: null, fragment: null };
}

/** The record of a URL as most are, which the states below would come to at a thousand times the cost; undefined for any other. */
function parsePlainUrl(input) {
  const parts = native.plainUrl(input);
  if (parts === undefined) {
    return undefined;
  }
  return { scheme: parts[0], username: "", password: "", host: parts[1], port: parts[2], path: parts[3].split("/"), query: parts[4], fragment: parts[5] };
}

/** Parses a URL, against `base`, a record, where there is one. Gives its record; undefined for failure. */
function parseUrl(input, base) {
  const plain = parsePlainUrl(input);
  if (plain !== undefined) {
    return plain;
  }
  const url = emptyUrl();
  const trimmed = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "");
  return runParser(trimmed, { url, base, state: "scheme start", override: undefined }) === undefined ? url : undefined;
}

/** What a setter does: parses `input` from `state` on into `url`. */
function reparse(url, input, state) {
  runParser(input, { url, base: undefined, state, override: state });
}

const FAILURE = "failure";
const STOP = "stop";

/** Gives FAILURE, or undefined. The parser's variables are in `p`; a state is a function of the code point `c` and of `p`. */
function runParser(input, start) {
  const characters = Array.from(input.replace(/[\t\n\r]/g, ""));
  const p = { ...start, characters, pointer: 0, buffer: "", atSignSeen: false, insideBrackets: false, passwordTokenSeen: false };
  for (; p.pointer <= characters.length; p.pointer += 1) {
    const outcome = STATES[p.state](characters[p.pointer] ?? END, p);
    if (outcome !== undefined) {
      return outcome === FAILURE ? FAILURE : undefined;
    }
  }
  return undefined;
}

function remaining(p) {
  return p.characters.slice(p.pointer + 1).join("");
}

function fromHere(p) {
  return p.characters.slice(p.pointer).join("");
}

/** Goes to a state, to look at this code point again there. */
function again(p, state) {
  p.state = state;
  p.pointer -= 1;
}

function copyFrom(base, url, ...members) {
  for (const member of members) {
    url[member] = member === "path" && Array.isArray(base.path) ? [...base.path] : base[member];
  }
}

const STATES = {
  "scheme start"(c, p) {
    if (/^[A-Za-z]$/.test(c)) {
      p.buffer += c.toLowerCase();
      p.state = "scheme";
    } else if (p.override === undefined) {
      again(p, "no scheme");
    } else {
      return FAILURE;
    }
  },

  scheme(c, p) {
    if (/^[A-Za-z0-9+.-]$/.test(c)) {
      p.buffer += c.toLowerCase();
    } else if (c === ":") {
      return endScheme(p);
    } else if (p.override === undefined) {
      p.buffer = "";
      p.state = "no scheme";
      p.pointer = -1;
    } else {
      return FAILURE;
    }
  },

  "no scheme"(c, p) {
    if (p.base === undefined || (hasOpaquePath(p.base) && c !== "#")) {
      return FAILURE;
    }
    if (hasOpaquePath(p.base)) {
      copyFrom(p.base, p.url, "scheme", "path", "query");
      p.url.fragment = "";
      p.state = "fragment";
    } else {
      again(p, p.base.scheme === "file" ? "file" : "relative");
    }
  },

  "special relative or authority"(c, p) {
    if (c === "/" && p.characters[p.pointer + 1] === "/") {
      p.state = "special authority ignore slashes";
      p.pointer += 1;
    } else {
      again(p, "relative");
    }
  },

  "path or authority"(c, p) {
    if (c === "/") {
      p.state = "authority";
    } else {
      again(p, "path");
    }
  },

  relative(c, p) {
    p.url.scheme = p.base.scheme;
    if (c === "/") {
      p.state = "relative slash";
      return;
    }
    if (isSpecial(p.url) && c === "\\") {
      p.state = "relative slash";
      return;
    }
    copyFrom(p.base, p.url, "username", "password", "host", "port", "path", "query");
    endOfBase(c, p, () => shortenPath(p.url));
  },

  "relative slash"(c, p) {
    if (isSpecial(p.url) && (c === "/" || c === "\\")) {
      p.state = "special authority ignore slashes";
    } else if (c === "/") {
      p.state = "authority";
    } else {
      copyFrom(p.base, p.url, "username", "password", "host", "port");
      again(p, "path");
    }
  },

  "special authority slashes"(c, p) {
    if (c === "/" && p.characters[p.pointer + 1] === "/") {
      p.state = "special authority ignore slashes";
      p.pointer += 1;
    } else {
      again(p, "special authority ignore slashes");
    }
  },

  "special authority ignore slashes"(c, p) {
    if (c !== "/" && c !== "\\") {
      again(p, "authority");
    }
  },

  authority(c, p) {
    if (c === "@") {
      takeCredentials(p);
    } else if (endsAuthority(c, p.url)) {
      if (p.atSignSeen && p.buffer === "") {
        return FAILURE;
      }
      p.pointer -= Array.from(p.buffer).length + 1;
      p.buffer = "";
      p.state = "host";
    } else {
      p.buffer += c;
    }
  },

  host: hostState,
  hostname: hostState,

  port(c, p) {
    if (/^[0-9]$/.test(c)) {
      p.buffer += c;
    } else if (endsAuthority(c, p.url) || p.override !== undefined) {
      return endPort(p);
    } else {
      return FAILURE;
    }
  },

  file(c, p) {
    p.url.scheme = "file";
    p.url.host = "";
    if (c === "/" || c === "\\") {
      p.state = "file slash";
    } else if (p.base?.scheme === "file") {
      copyFrom(p.base, p.url, "host", "path", "query");
      endOfBase(c, p, () => {
        if (startsWithWindowsDriveLetter(fromHere(p))) {
          p.url.path = [];
        } else {
          shortenPath(p.url);
        }
      });
    } else {
      again(p, "path");
    }
  },

  "file slash"(c, p) {
    if (c === "/" || c === "\\") {
      p.state = "file host";
      return;
    }
    if (p.base?.scheme === "file") {
      p.url.host = p.base.host;
      if (!startsWithWindowsDriveLetter(fromHere(p)) && isNormalizedWindowsDriveLetter(p.base.path[0] ?? "")) {
        p.url.path.push(p.base.path[0]);
      }
    }
    again(p, "path");
  },

  "file host"(c, p) {
    if (c !== END && !/^[/\\?#]$/.test(c)) {
      p.buffer += c;
      return;
    }
    p.pointer -= 1;
    if (p.override === undefined && isWindowsDriveLetter(p.buffer)) {
      p.state = "path";
      return;
    }
    const host = p.buffer === "" ? "" : parseHost(p.buffer, false);
    if (host === undefined) {
      return FAILURE;
    }
    p.url.host = host === "localhost" ? "" : host;
    if (p.override !== undefined) {
      return STOP;
    }
    p.buffer = "";
    p.state = "path start";
  },

  "path start"(c, p) {
    if (isSpecial(p.url)) {
      p.state = "path";
      p.pointer -= c === "/" || c === "\\" ? 0 : 1;
    } else if (p.override === undefined && c === "?") {
      p.url.query = "";
      p.state = "query";
    } else if (p.override === undefined && c === "#") {
      p.url.fragment = "";
      p.state = "fragment";
    } else if (c !== END) {
      p.state = "path";
      p.pointer -= c === "/" ? 0 : 1;
    } else if (p.override !== undefined && p.url.host === null) {
      p.url.path.push("");
    }
  },

  path(c, p) {
    const endsSegment = c === END || c === "/" || (isSpecial(p.url) && c === "\\") || (p.override === undefined && (c === "?" || c === "#"));
    if (!endsSegment) {
      p.buffer += percentEncode(c, PATH_SET);
      return;
    }
    takeSegment(c, p);
    if (c === "?") {
      p.url.query = "";
      p.state = "query";
    } else if (c === "#") {
      p.url.fragment = "";
      p.state = "fragment";
    }
  },

  "opaque path"(c, p) {
    if (c === "?") {
      p.url.query = "";
      p.state = "query";
    } else if (c === "#") {
      p.url.fragment = "";
      p.state = "fragment";
    } else if (c === " ") {
      // A space before the end of the path would be lost when the URL is written and read again.
      const next = p.characters[p.pointer + 1];
      p.url.path += next === "?" || next === "#" ? "%20" : " ";
    } else if (c !== END) {
      p.url.path += percentEncode(c, C0_CONTROL_SET);
    }
  },

  query(c, p) {
    if (c !== END && (c !== "#" || p.override !== undefined)) {
      p.buffer += c;
      return;
    }
    p.url.query += percentEncode(p.buffer, isSpecial(p.url) ? SPECIAL_QUERY_SET : QUERY_SET);
    p.buffer = "";
    if (c === "#") {
      p.url.fragment = "";
      p.state = "fragment";
    }
  },

  fragment(c, p) {
    if (c !== END) {
      p.url.fragment += percentEncode(c, FRAGMENT_SET);
    }
  },
};

function endScheme(p) {
  const { url, base } = p;
  if (p.override !== undefined) {
    const mayNot =
      isSpecial(url) !== SPECIAL_PORTS.has(p.buffer) ||
      ((url.username !== "" || url.password !== "" || url.port !== null) && p.buffer === "file") ||
      (url.scheme === "file" && url.host === "");
    if (!mayNot) {
      url.scheme = p.buffer;
      url.port = url.port === SPECIAL_PORTS.get(url.scheme) ? null : url.port;
    }
    return STOP;
  }
  url.scheme = p.buffer;
  p.buffer = "";
  if (url.scheme === "file") {
    p.state = "file";
  } else if (isSpecial(url)) {
    p.state = base?.scheme === url.scheme ? "special relative or authority" : "special authority slashes";
  } else if (p.characters[p.pointer + 1] === "/") {
    p.state = "path or authority";
    p.pointer += 1;
  } else {
    url.path = "";
    p.state = "opaque path";
  }
  return undefined;
}

/** After all was copied from the base: `?` and `#` replace what comes after them, anything else replaces the last segment. */
function endOfBase(c, p, shorten) {
  if (c === "?") {
    p.url.query = "";
    p.state = "query";
  } else if (c === "#") {
    p.url.fragment = "";
    p.state = "fragment";
  } else if (c !== END) {
    p.url.query = null;
    shorten();
    again(p, "path");
  }
}

function endsAuthority(c, url) {
  return c === END || c === "/" || c === "?" || c === "#" || (isSpecial(url) && c === "\\");
}

function takeCredentials(p) {
  const text = p.atSignSeen ? `%40${p.buffer}` : p.buffer;
  p.atSignSeen = true;
  for (const character of text) {
    if (character === ":" && !p.passwordTokenSeen) {
      p.passwordTokenSeen = true;
    } else {
      p.url[p.passwordTokenSeen ? "password" : "username"] += percentEncode(character, USERINFO_SET);
    }
  }
  p.buffer = "";
}

function hostState(c, p) {
  const { url } = p;
  if (p.override !== undefined && url.scheme === "file") {
    again(p, "file host");
  } else if (c === ":" && !p.insideBrackets) {
    if (p.buffer === "" || p.override === "hostname") {
      return FAILURE;
    }
    return endHost(p, "port");
  } else if (endsAuthority(c, url)) {
    p.pointer -= 1;
    if (isSpecial(url) && p.buffer === "") {
      return FAILURE;
    }
    if (p.override !== undefined && p.buffer === "" && (url.username !== "" || url.password !== "" || url.port !== null)) {
      return FAILURE;
    }
    return endHost(p, "path start") ?? (p.override === undefined ? undefined : STOP);
  } else {
    p.insideBrackets = c === "[" || (c !== "]" && p.insideBrackets);
    p.buffer += c;
  }
  return undefined;
}

function endHost(p, nextState) {
  const host = parseHost(p.buffer, !isSpecial(p.url));
  if (host === undefined) {
    return FAILURE;
  }
  p.url.host = host;
  p.buffer = "";
  p.state = nextState;
  return undefined;
}

function endPort(p) {
  if (p.buffer !== "") {
    const port = Number(p.buffer);
    if (port > 65_535) {
      return FAILURE;
    }
    p.url.port = port === SPECIAL_PORTS.get(p.url.scheme) ? null : port;
    p.buffer = "";
    if (p.override !== undefined) {
      return STOP;
    }
  }
  if (p.override !== undefined) {
    return FAILURE;
  }
  again(p, "path start");
  return undefined;
}

function takeSegment(c, p) {
  const isSlash = c === "/" || (isSpecial(p.url) && c === "\\");
  if (isDoubleDot(p.buffer)) {
    shortenPath(p.url);
    if (!isSlash) {
      p.url.path.push("");
    }
  } else if (isSingleDot(p.buffer)) {
    if (!isSlash) {
      p.url.path.push("");
    }
  } else {
    const isDrive = p.url.scheme === "file" && p.url.path.length === 0 && isWindowsDriveLetter(p.buffer);
    p.url.path.push(isDrive ? `${p.buffer[0]}:` : p.buffer);
  }
  p.buffer = "";
}

function serializePath(url) {
  return hasOpaquePath(url) ? url.path : url.path.map((segment) => `/${segment}`).join("");
}

/** https://url.spec.whatwg.org/#url-serializing */
function serializeUrl(url) {
  let text = `${url.scheme}:`;
  if (url.host !== null) {
    const password = url.password === "" ? "" : `:${url.password}`;
    const credentials = url.username === "" && password === "" ? "" : `${url.username}${password}@`;
    text += `//${credentials}${url.host}${url.port === null ? "" : `:${url.port}`}`;
  } else if (!hasOpaquePath(url) && url.path.length > 1 && url.path[0] === "") {
    // Otherwise the path would be read as a host.
    text += "/.";
  }
  text += serializePath(url);
  return text + (url.query === null ? "" : `?${url.query}`) + (url.fragment === null ? "" : `#${url.fragment}`);
}
