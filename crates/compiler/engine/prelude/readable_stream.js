// https://streams.spec.whatwg.org/#rs: streams of values that are asked for. There are no byte streams ("byob").

/** What a stream is inside; undefined for anything else. */
let streamCore;
/** A stream over a core. */
let streamOfCore;

/**
 * A core is the stream without its classes: `pull` and `cancel` are asked for more, and to stop. At most `highWaterMark` of `queuedSize`
 * is asked for ahead of a reader.
 */
function makeCore({ pull, cancel, highWaterMark = 0, sizeOf }) {
  return {
    state: "readable",
    error: undefined,
    queue: [],
    queuedSize: 0,
    highWaterMark,
    sizeOf,
    pull,
    cancel,
    reader: undefined,
    /** {resolve, reject} of each read that waits. */
    requests: [],
    /** Whether anybody has read from it, or cancelled it. */
    isDisturbed: false,
    isStarted: true,
    isPulling: false,
    pullsAgain: false,
    isCloseRequested: false,
    controller: undefined,
  };
}

function desiredSizeOf(core) {
  return core.state === "errored" ? null : core.state === "closed" ? 0 : core.highWaterMark - core.queuedSize;
}

function enqueueInCore(core, value) {
  const request = core.requests.shift();
  if (request !== undefined) {
    request.resolve({ value, done: false });
  } else {
    const size = core.sizeOf === undefined ? 1 : sizeOfChunk(core, value);
    core.queue.push({ value, size });
    core.queuedSize += size;
  }
  pullIfNeeded(core);
}

function sizeOfChunk(core, value) {
  try {
    const size = Number(core.sizeOf(value));
    if (!(size >= 0 && size < Infinity)) {
      throw new RangeError("`size` of a stream's strategy must give a number, 0 or more");
    }
    return size;
  } catch (error) {
    failCore(core, error);
    throw error;
  }
}

/** What is queued can still be read. */
function closeCore(core) {
  core.isCloseRequested = true;
  if (core.queue.length === 0 && core.state === "readable") {
    core.state = "closed";
    core.requests.splice(0).forEach(({ resolve }) => resolve({ value: undefined, done: true }));
    core.reader?.settleClosed(core);
  }
}

function failCore(core, error) {
  if (core.state !== "readable") {
    return;
  }
  core.state = "errored";
  core.error = error;
  core.queue = [];
  core.queuedSize = 0;
  core.requests.splice(0).forEach(({ reject }) => reject(error));
  core.reader?.settleClosed(core);
}

/** Asks the source for more, where somebody waits or there is room; one at a time. */
function pullIfNeeded(core) {
  const wants = core.state === "readable" && core.isStarted && !core.isCloseRequested && (core.requests.length > 0 || desiredSizeOf(core) > 0);
  if (!wants) {
    return;
  }
  if (core.isPulling) {
    core.pullsAgain = true;
    return;
  }
  core.isPulling = true;
  pullOnce(core);
}

async function pullOnce(core) {
  try {
    await core.pull?.(core.controller);
  } catch (error) {
    failCore(core, error);
    return;
  }
  core.isPulling = false;
  if (core.pullsAgain) {
    core.pullsAgain = false;
    pullIfNeeded(core);
  }
}

/** A promise for {value, done}. */
function readCore(core) {
  core.isDisturbed = true;
  if (core.queue.length > 0) {
    const { value, size } = core.queue.shift();
    core.queuedSize -= size;
    if (core.isCloseRequested && core.queue.length === 0) {
      closeCore(core);
    } else {
      pullIfNeeded(core);
    }
    return Promise.resolve({ value, done: false });
  }
  if (core.state !== "readable") {
    return core.state === "closed" ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(core.error);
  }
  const waiting = Promise.withResolvers();
  core.requests.push(waiting);
  pullIfNeeded(core);
  return waiting.promise;
}

async function cancelCore(core, reason) {
  core.isDisturbed = true;
  if (core.state === "errored") {
    throw core.error;
  }
  if (core.state === "closed") {
    return;
  }
  core.queue = [];
  core.queuedSize = 0;
  closeCore(core);
  await core.cancel?.(reason);
}

class ReadableStream {
  #core;

  constructor(source = {}, strategy = {}) {
    if (source === null || typeof source !== "object") {
      throw new TypeError("the first argument of a ReadableStream must be an object with start, pull or cancel");
    }
    if (source.type !== undefined) {
      throw new RangeError("a ReadableStream with `type` is not known here: streams of bytes are streams of Uint8Arrays");
    }
    const { highWaterMark, sizeOf } = checkStrategy(strategy, 1);
    const { start } = source;
    const method = (name) => (source[name] === undefined ? undefined : (argument) => source[name](argument));
    const core = makeCore({ pull: method("pull"), cancel: method("cancel"), highWaterMark, sizeOf });
    core.controller = controllerOfCore(core);
    core.isStarted = false;
    this.#core = core;
    startCore(core, start?.call(source, core.controller));
  }

  static {
    streamCore = (value) => (typeof value === "object" && value !== null && #core in value ? value.#core : undefined);
    streamOfCore = (core) => {
      const stream = new ReadableStream();
      stream.#core = core;
      core.controller ??= controllerOfCore(core);
      return stream;
    };
  }

  /** A stream of what an iterable gives. */
  static from(iterable) {
    const method = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
    if (typeof method !== "function") {
      throw new TypeError("ReadableStream.from needs something that can be iterated");
    }
    const iterator = method.call(iterable);
    const core = makeCore({
      async pull() {
        const { value, done } = await iterator.next();
        return done ? closeCore(core) : enqueueInCore(core, await value);
      },
      cancel: (reason) => iterator.return?.(reason),
    });
    return streamOfCore(core);
  }

  get locked() {
    return this.#core.reader !== undefined;
  }

  async cancel(reason) {
    this.#refuseIfLocked("cancelled");
    await cancelCore(this.#core, reason);
  }

  getReader(options) {
    if (options?.mode !== undefined) {
      throw new TypeError("a reader with `mode` is not known here: pieces come in the size in which they arrive");
    }
    return new ReadableStreamDefaultReader(this);
  }

  tee() {
    this.#refuseIfLocked("forked");
    return teeStream(this, (value) => value);
  }

  values({ preventCancel = false } = {}) {
    return iterateStream(this.getReader(), Boolean(preventCancel));
  }

  async pipeTo(target, options) {
    this.#refuseIfLocked("piped");
    await pipeStream(this.getReader(), target, options ?? {});
  }

  pipeThrough(transform, options) {
    this.#refuseIfLocked("piped");
    const done = this.pipeTo(transform.writable, options);
    done.catch(() => {}); // the readable side tells of the failure
    return transform.readable;
  }

  #refuseIfLocked(what) {
    if (this.locked) {
      throw new TypeError(`a stream that has a reader cannot be ${what}`);
    }
  }
}

Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator, {
  value: ReadableStream.prototype.values,
  writable: true,
  configurable: true,
  enumerable: false,
});

function checkStrategy(strategy, highWaterMarkOtherwise) {
  const { highWaterMark = highWaterMarkOtherwise, size } = strategy ?? {};
  if (!(Number(highWaterMark) >= 0)) {
    throw new RangeError("`highWaterMark` of a stream's strategy must be a number, 0 or more");
  }
  if (size !== undefined && typeof size !== "function") {
    throw new TypeError("`size` of a stream's strategy must be a function");
  }
  return { highWaterMark: Number(highWaterMark), sizeOf: size };
}

async function startCore(core, started) {
  try {
    await started;
  } catch (error) {
    failCore(core, error);
    return;
  }
  core.isStarted = true;
  pullIfNeeded(core);
}

async function* iterateStream(reader, preventCancel) {
  let isOver = false;
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error) => {
        isOver = true;
        throw error;
      });
      if (done) {
        isOver = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!isOver && !preventCancel) {
      await reader.cancel();
    }
    reader.releaseLock();
  }
}

/** Two streams of what one gives. `copy` makes the second's values. */
function teeStream(stream, copy) {
  const reader = stream.getReader();
  const cancelled = [];
  let isReading = false;
  let readsAgain = false;
  const cores = [0, 1].map((at) => makeCore({ pull, cancel: (reason) => cancelBranch(at, reason) }));

  async function pull() {
    if (isReading) {
      readsAgain = true;
      return;
    }
    isReading = true;
    try {
      do {
        readsAgain = false;
        const { value, done } = await reader.read();
        cores.forEach((core, at) => (cancelled[at] ? undefined : done ? closeCore(core) : enqueueInCore(core, at === 0 ? value : copy(value))));
      } while (readsAgain && cores.some((core) => core.requests.length > 0));
    } catch (error) {
      cores.forEach((core) => failCore(core, error));
    }
    isReading = false;
  }

  const bothCancelled = Promise.withResolvers();
  async function cancelBranch(at, reason) {
    cancelled[at] = { reason };
    if (cancelled[0] && cancelled[1]) {
      bothCancelled.resolve(reader.cancel(cancelled.map((branch) => branch.reason)));
    }
    await bothCancelled.promise;
  }
  return cores.map(streamOfCore);
}

/** All that a stream has left: the pieces of its bytes. */
async function readAllBytes(stream) {
  const reader = stream.getReader();
  const pieces = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return concatBytes(pieces);
    }
    if (native.classOf(value) !== "Uint8Array") {
      const error = new TypeError(`a body's stream must give Uint8Arrays, not ${cut(inspect(value), 100)}`);
      reader.cancel(error).catch(() => {});
      throw error;
    }
    pieces.push(value);
  }
}

/** A stream of bytes that are there already. */
function streamOfBytes(bytes) {
  const core = makeCore({});
  if (bytes.length > 0) {
    enqueueInCore(core, bytes);
  }
  closeCore(core);
  return streamOfCore(core);
}
