// `resource({...})`: something to read, at a URI or at all URIs of a template.

const isAnnotations = (value) => isPlainObject(value) && knowsOnly(value, ["audience", "priority", "lastModified"]);
const ANNOTATIONS_RIGHT = 'an object like { audience: ["user", "assistant"], priority: 0.5, lastModified: "2025-01-31T12:00:00Z" }';

/** An absolute URI; where it has {names}, a template (RFC 6570, level 1). */
const isUri = (value) => isText(value) && /^[A-Za-z][A-Za-z0-9+.-]*:[^\s{}]*(?:\{[A-Za-z0-9_]+\}[^\s{}]*)*$/.test(value);

const RESOURCE = {
  name: "resource",
  members: {
    name: needed(isText, 'a text like "station"'),
    title: optional(isText, 'a text like "Weather station"'),
    description: needed(isText, "a text that says what the resource holds"),
    uri: needed(isUri, 'a URI like "weather://stations", or a template like "weather://stations/{id}" whose {names} are the variables'),
    mimeType: optional(isText, 'a media type like "application/json"'),
    size: optional((value) => Number.isSafeInteger(value) && value >= 0, "a number of bytes"),
    icons: ICONS,
    annotations: optional(isAnnotations, ANNOTATIONS_RIGHT),
    complete: COMPLETE,
    examples: EXAMPLES,
    read: needed(isFunction, "a function like async read({ id }, ctx, { uri }) { ... }"),
  },
  otherNames: {
    url: "uri", uriTemplate: "uri", template: "uri", href: "uri", mime: "mimeType", type: "mimeType", contentType: "mimeType",
    run: "read", handler: "read", load: "read", get: "read", summary: "description", desc: "description", id: "name", icon: "icons",
    completion: "complete", completes: "complete", input: "uri",
  },
  check(members) {
    const variables = variablesOf(members.uri);
    if (new Set(variables).size !== variables.length) {
      throw new TypeError("`uri` of resource({...}) must name each of its variables once");
    }
    checkCompletes("resource", members, variables);
  },
  describe({ read, complete, uri, mimeType, size, annotations, ...described }) {
    const variables = variablesOf(uri);
    return {
      ...described,
      input: textArguments(variables, variables),
      offer: { kind: "resource", uri, mimeType, size, annotations },
      completes: complete && Object.keys(complete),
    };
  },
  run: ({ uri, read }) =>
    function (variables, ctx) {
      return read.call(this, variables, ctx, { uri: expandUri(uri, variables) });
    },
  answer: resourceAnswer,
};

/** Checks a resource and makes it: the module's default export. */
function resource(definition) {
  return offer(RESOURCE, definition);
}

function variablesOf(uri) {
  return Array.from(uri.matchAll(/\{([A-Za-z0-9_]+)\}/g), ([, name]) => name);
}

/** https://www.rfc-editor.org/rfc/rfc6570#section-3.2.2: all but the unreserved is encoded. */
function expandUri(uri, variables) {
  return uri.replace(/\{([A-Za-z0-9_]+)\}/g, (_, name) => percentEncode(`${variables[name] ?? ""}`.toWellFormed(), UNRESERVED_SET));
}

/** What `read` gave as MCP's contents: each part with its URI, and with the resource's media type where it has none of its own. */
function resourceAnswer({ uri, mimeType }, result, variables) {
  const rest = { uri: expandUri(uri, variables), ...(mimeType === undefined ? {} : { mimeType }) };
  const list = isPlainObject(result) && Array.isArray(result.contents) ? result.contents : Array.isArray(result) ? result : [result];
  return [false, { contents: list.map((part) => contentsOf(part, rest)) }];
}

const CONTENTS_RIGHT = "`read` must give a text, bytes (a Uint8Array), { text } or { blob: bytes or base64 }, each with `uri` and `mimeType` if they differ, or a list of those";

function contentsOf(part, rest) {
  if (typeof part === "string") {
    return { ...rest, text: part };
  }
  const bytes = bytesIn(part);
  if (bytes !== undefined) {
    return { ...rest, blob: base64Of(bytes) };
  }
  return { ...rest, ...checkContents(part, CONTENTS_RIGHT) };
}
