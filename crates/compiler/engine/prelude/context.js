// The second argument of `run` and `read`.

/** `ctx.log` is called as it is, or by level. */
const contextLog = (...values) => writeLine(LEVEL_INFO, values);
for (const level of ["debug", "info", "warn", "error"]) {
  Object.defineProperty(contextLog, level, { value: consoleObject[level], enumerable: true });
}

const ctx = Object.freeze({
  env(name) {
    return native.config(needName("env", "an environment value", name));
  },

  secret(name) {
    return native.secret(needName("secret", "a secret", name));
  },

  basicAuth(user, name) {
    if (typeof user !== "string") {
      throw new TypeError("ctx.basicAuth(user, name) needs the user, a text");
    }
    return native.basicAuth(user, needName("basicAuth", "the secret that is the password", name));
  },

  /** On the host: a guest never holds the key. */
  async hmac(algorithm, name, data) {
    const known = digestName(algorithm);
    const bytes = typeof data === "string" ? native.encodeUtf8(data) : bytesOf(data, "the data of ctx.hmac(algorithm, name, data), if it is no text,");
    return native.hmac(known, needName("hmac", "the secret that is the key", name), bytes);
  },

  log: Object.freeze(contextLog),

  progress(done, total, message) {
    checkProgress("done", done);
    if (total !== undefined) {
      checkProgress("total", total);
    }
    native.progress(done, total, message === undefined ? undefined : `${message}`);
  },

  elicit,
  sample,
  roots,

  text: textBlock,
  image(data, mimeType, annotations) {
    return mediaBlock("image", data, mimeType, annotations);
  },
  audio(data, mimeType, annotations) {
    return mediaBlock("audio", data, mimeType, annotations);
  },
  resource: resourceBlock,
  link: linkBlock,
  content: contentAnswer,
});

function needName(member, what, name) {
  if (typeof name !== "string") {
    throw new TypeError(`ctx.${member} needs the name of ${what}, a text`);
  }
  return name;
}

function checkProgress(what, value) {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new TypeError(`\`${what}\` of ctx.progress(done, total?, message?) must be a finite number`);
  }
}

/** A promise for what has a method `then`, as `await` makes it. */
function adopt(thenable) {
  return Promise.resolve(thenable);
}
