// The other classes of https://streams.spec.whatwg.org/#rs.

let controllerOfCore;
/** Only this prelude makes controllers. */
const CONTROLLER_KEY = Symbol("controller");

class ReadableStreamDefaultController {
  #core;

  constructor(key, core) {
    if (key !== CONTROLLER_KEY) {
      throw new TypeError("a controller is what `start` and `pull` of a ReadableStream are given");
    }
    this.#core = core;
  }

  static {
    controllerOfCore = (core) => new ReadableStreamDefaultController(CONTROLLER_KEY, core);
  }

  get desiredSize() {
    return desiredSizeOf(this.#core);
  }

  enqueue(value) {
    this.#needOpen();
    enqueueInCore(this.#core, value);
  }

  close() {
    this.#needOpen();
    closeCore(this.#core);
  }

  error(reason) {
    failCore(this.#core, reason);
  }

  #needOpen() {
    if (this.#core.isCloseRequested || this.#core.state !== "readable") {
      throw new TypeError("the stream is closed already");
    }
  }
}

class ReadableStreamDefaultReader {
  #core;
  #closed = Promise.withResolvers();

  constructor(stream) {
    const core = streamCore(stream);
    if (core === undefined) {
      throw new TypeError("a reader needs a ReadableStream");
    }
    if (core.reader !== undefined) {
      throw new TypeError("the stream has a reader already");
    }
    this.#core = core;
    this.#closed.promise.catch(() => {}); // it is told to who reads, too
    core.reader = { settleClosed: () => this.#settleClosed() };
    this.#settleClosed();
  }

  get closed() {
    return this.#closed.promise;
  }

  async read() {
    return readCore(this.#needCore());
  }

  async cancel(reason) {
    await cancelCore(this.#needCore(), reason);
  }

  releaseLock() {
    const core = this.#core;
    if (core === undefined) {
      return;
    }
    const released = new TypeError("the reader has been released");
    core.requests.splice(0).forEach(({ reject }) => reject(released));
    core.reader = undefined;
    this.#core = undefined;
    if (core.state !== "readable") {
      this.#closed = Promise.withResolvers();
      this.#closed.promise.catch(() => {});
    }
    this.#closed.reject(released);
  }

  #settleClosed() {
    if (this.#core.state === "closed") {
      this.#closed.resolve();
    } else if (this.#core.state === "errored") {
      this.#closed.reject(this.#core.error);
    }
  }

  #needCore() {
    if (this.#core === undefined) {
      throw new TypeError("the reader has been released");
    }
    return this.#core;
  }
}

finishInterface(ReadableStream);
finishInterface(ReadableStreamDefaultController);
finishInterface(ReadableStreamDefaultReader);
