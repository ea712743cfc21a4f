// The second argument of `run`.

const ctx = Object.freeze({
  /** The environment value of that name; undefined where it is not set, or not granted to this tool. */
  env(name) {
    if (typeof name !== "string") {
      throw new TypeError("ctx.env needs the name of an environment value, a text");
    }
    return native.config(name);
  },

  /** The same as console.log. */
  log(...values) {
    writeLine(LEVEL_INFO, values);
  },

  /** How far the call is: `done` of `total`, where a total is known, and what it is doing. */
  progress(done, total, message) {
    checkProgress("done", done);
    if (total !== undefined) {
      checkProgress("total", total);
    }
    native.progress(done, total, message === undefined ? undefined : `${message}`);
  },
});

function checkProgress(what, value) {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new TypeError(`\`${what}\` of ctx.progress(done, total?, message?) must be a finite number`);
  }
}

/** A promise for what has a method `then`, as `await` makes it. */
function adopt(thenable) {
  return Promise.resolve(thenable);
}
