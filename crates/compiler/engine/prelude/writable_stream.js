// https://streams.spec.whatwg.org/#ws, as far as `pipeTo` and `pipeThrough` need it: one write is under way at a time.

let writableCore;

class WritableStream {
  #core;

  constructor(sink = {}, strategy = {}) {
    if (sink === null || typeof sink !== "object") {
      throw new TypeError("the first argument of a WritableStream must be an object with start, write, close or abort");
    }
    const core = {
      state: "writable",
      error: undefined,
      sink,
      highWaterMark: checkStrategy(strategy, 1).highWaterMark,
      waiting: 0,
      /** The last write that was begun. */
      last: undefined,
      room: undefined,
      closed: Promise.withResolvers(),
      writer: undefined,
      controller: undefined,
    };
    core.closed.promise.catch(() => {}); // it is told to who writes, too
    core.controller = Object.freeze({ error: (reason) => failWritable(core, reason) });
    this.#core = core;
    core.last = (async () => sink.start?.(core.controller))();
    core.last.catch((error) => failWritable(core, error));
  }

  static {
    writableCore = (value) => (typeof value === "object" && value !== null && #core in value ? value.#core : undefined);
  }

  get locked() {
    return this.#core.writer !== undefined;
  }

  getWriter() {
    return new WritableStreamDefaultWriter(this);
  }

  async abort(reason) {
    await abortWritable(this.#core, reason);
  }

  async close() {
    await closeWritable(this.#core);
  }
}

class WritableStreamDefaultWriter {
  #core;

  constructor(stream) {
    const core = writableCore(stream);
    if (core === undefined) {
      throw new TypeError("a writer needs a WritableStream");
    }
    if (core.writer !== undefined) {
      throw new TypeError("the stream has a writer already");
    }
    core.writer = this;
    this.#core = core;
  }

  get closed() {
    return this.#needCore().closed.promise;
  }

  get desiredSize() {
    const core = this.#needCore();
    return core.state === "errored" ? null : core.state === "closed" ? 0 : core.highWaterMark - core.waiting;
  }

  get ready() {
    const core = this.#needCore();
    if (core.waiting < core.highWaterMark || core.state !== "writable") {
      return Promise.resolve();
    }
    core.room ??= Promise.withResolvers();
    return core.room.promise;
  }

  async write(value) {
    await writeToWritable(this.#needCore(), value);
  }

  async close() {
    await closeWritable(this.#needCore());
  }

  async abort(reason) {
    await abortWritable(this.#needCore(), reason);
  }

  releaseLock() {
    if (this.#core !== undefined) {
      this.#core.writer = undefined;
      this.#core = undefined;
    }
  }

  #needCore() {
    if (this.#core === undefined) {
      throw new TypeError("the writer has been released");
    }
    return this.#core;
  }
}

finishInterface(WritableStream);
finishInterface(WritableStreamDefaultWriter);

function failWritable(core, error) {
  if (core.state === "writable" || core.state === "closing") {
    core.state = "errored";
    core.error = error;
    core.closed.reject(error);
    core.room?.resolve();
  }
}

/** Does `act` after what was begun before; its failure is the stream's. */
async function afterLastWrite(core, act) {
  const before = core.last;
  core.last = (async () => {
    await before;
    if (core.state === "errored") {
      throw core.error;
    }
    await act();
  })();
  try {
    await core.last;
  } catch (error) {
    failWritable(core, error);
    throw error;
  }
}

function refuseUnlessWritable(core) {
  if (core.state === "errored") {
    throw core.error;
  }
  if (core.state !== "writable") {
    throw new TypeError("the stream is closed already");
  }
}

async function writeToWritable(core, value) {
  refuseUnlessWritable(core);
  core.waiting += 1;
  try {
    await afterLastWrite(core, () => core.sink.write?.(value, core.controller));
  } finally {
    core.waiting -= 1;
    if (core.waiting < core.highWaterMark) {
      core.room?.resolve();
      core.room = undefined;
    }
  }
}

async function closeWritable(core) {
  refuseUnlessWritable(core);
  core.state = "closing";
  await afterLastWrite(core, () => core.sink.close?.());
  core.state = "closed";
  core.closed.resolve();
}

async function abortWritable(core, reason) {
  if (core.state === "writable" || core.state === "closing") {
    failWritable(core, reason);
    await core.sink.abort?.(reason);
  }
}

/** Writes all that is read; what fails on one side ends the other. */
async function pipeStream(reader, target, { preventClose = false, preventAbort = false, preventCancel = false, signal }) {
  const writer = new WritableStreamDefaultWriter(target);
  const aborted = Promise.withResolvers();
  aborted.promise.catch(() => {});
  const stopFollowing = whenAborted(signal, aborted.reject);
  const unlessAborted = (step) => (signal === undefined ? step : Promise.race([step, aborted.promise]));
  try {
    signal?.throwIfAborted();
    for (;;) {
      const { value, done } = await unlessAborted(reader.read());
      if (done) {
        break;
      }
      await unlessAborted(writer.write(value));
    }
    if (!preventClose) {
      await writer.close();
    }
  } catch (error) {
    // Ending a side that has failed already is not a failure.
    await Promise.all([preventAbort ? undefined : writer.abort(error), preventCancel ? undefined : reader.cancel(error).catch(() => {})]);
    throw error;
  } finally {
    stopFollowing();
    reader.releaseLock();
    writer.releaseLock();
  }
}
