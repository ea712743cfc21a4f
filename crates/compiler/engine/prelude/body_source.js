// A body that the host holds: it is asked for piece by piece, and only when somebody wants the next.

/** Bodies that nobody can read any more are given back to the host. */
const unreadBodies = new FinalizationRegistry((handle) => native.close(handle));

class BodySource {
  #handle;
  /** The request, where it has brought a piece that nobody has taken yet, and what it says of that. */
  #begun;
  /** Another object than this one, which the registry would keep otherwise. */
  #token = {};
  #isOpen = true;
  #failure;
  /** {operation, reject} of the piece that is under way. */
  #reading;
  #stopFollowing;
  #core;

  constructor(handle, begun, signal) {
    this.#handle = handle;
    this.#begun = begun;
    unreadBodies.register(this, handle, this.#token);
    if (signal !== undefined) {
      // The signal may live longer than anybody who wants this body.
      const weak = new WeakRef(this);
      this.#stopFollowing = whenAborted(signal, (reason) => weak.deref()?.fail(reason));
    }
  }

  /** The next piece; undefined at the end. */
  async next() {
    if (this.#failure !== undefined) {
      throw this.#failure.reason;
    }
    if (!this.#isOpen) {
      return undefined;
    }
    if (this.#begun !== undefined) {
      const { operation, text } = this.#begun;
      this.#begun = undefined;
      return this.#arrivedOrFail(false, text, operation);
    }
    const { promise, resolve, reject } = Promise.withResolvers();
    const operation = follow(startOrFail(() => native.read(this.#handle)), (isError, text, handle) => {
      this.#reading = undefined;
      try {
        resolve(this.#arrivedOrFail(isError, text, handle));
      } catch (error) {
        reject(error);
      }
    });
    this.#reading = { operation, reject };
    return promise;
  }

  #arrivedOrFail(isError, text, operation) {
    try {
      return this.#arrived(isError, text, operation);
    } catch (error) {
      // There is no memory for the piece.
      this.fail(error);
      throw error;
    }
  }

  /** The piece that `operation` has brought; undefined where the end brought none. */
  #arrived(isError, text, operation) {
    if (isError) {
      this.#failure = { reason: new TypeError(text) };
      this.#end();
      throw this.#failure.reason;
    }
    const bytes = native.take(operation);
    if (text === "end") {
      if (bytes.length > 0) {
        // Otherwise the host would wait to be asked once more.
        native.close(this.#handle);
      }
      this.#end();
    }
    return bytes.length > 0 ? bytes : undefined;
  }

  async readAll() {
    const pieces = [];
    for (let piece; (piece = await this.next()) !== undefined; ) {
      pieces.push(piece);
      if (!this.#isOpen && this.#failure === undefined) {
        break;
      }
    }
    return pieces.length === 1 ? pieces[0] : concatBytes(pieces);
  }

  /** Nothing is asked for ahead: each piece is fetched when it is read. */
  stream() {
    this.#core = makeCore({
      pull: async () => {
        const piece = await this.next();
        return piece === undefined ? closeCore(this.#core) : enqueueInCore(this.#core, piece);
      },
      cancel: () => this.#close(),
    });
    return streamOfCore(this.#core);
  }

  /** Whoever reads, now or later, gets this error. */
  fail(reason) {
    if (!this.#isOpen) {
      return;
    }
    this.#failure = { reason };
    const { reject } = this.#reading ?? {};
    this.#close();
    reject?.(reason);
    if (this.#core !== undefined) {
      failCore(this.#core, reason);
    }
  }

  #close() {
    if (this.#isOpen) {
      if (this.#reading !== undefined) {
        cancelOperation(this.#reading.operation);
        this.#reading = undefined;
      }
      native.close(this.#handle);
      this.#end();
    }
  }

  #end() {
    this.#isOpen = false;
    unreadBodies.unregister(this.#token);
    this.#stopFollowing?.();
  }
}

/** What the host refuses at once is a TypeError, as every failure of the network is on the web. */
function startOrFail(start) {
  try {
    return start();
  } catch (error) {
    throw new TypeError(error.message);
  }
}
