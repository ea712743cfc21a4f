// https://streams.spec.whatwg.org/#ts, and the streams of https://encoding.spec.whatwg.org/.

class TransformStream {
  #readable;
  #writable;

  constructor(transformer = {}, writableStrategy = {}, readableStrategy = {}) {
    const given = transformer ?? {};
    let wanted = Promise.withResolvers();
    const core = makeCore({
      pull: () => wanted.resolve(),
      cancel: async (reason) => {
        failWritable(writableCore(this.#writable), reason);
        wanted.resolve();
        await given.cancel?.(reason);
      },
      ...checkStrategy(readableStrategy, 0),
    });
    const controller = Object.freeze({
      get desiredSize() {
        return desiredSizeOf(core);
      },
      enqueue: (value) => enqueueInCore(core, value),
      error: (reason) => {
        failCore(core, reason);
        failWritable(writableCore(this.#writable), reason);
      },
      terminate: () => {
        closeCore(core);
        failWritable(writableCore(this.#writable), new TypeError("the stream was terminated"));
      },
    });
    const untilWanted = async () => {
      while (core.state === "readable" && core.requests.length === 0 && !(desiredSizeOf(core) > 0)) {
        wanted = Promise.withResolvers();
        await wanted.promise;
      }
    };
    const failBoth = async (act) => {
      try {
        await act();
      } catch (error) {
        failCore(core, error);
        throw error;
      }
    };
    this.#readable = streamOfCore(core);
    this.#writable = new WritableStream(
      {
        start: () => failBoth(() => given.start?.(controller)),
        async write(value) {
          await untilWanted();
          await failBoth(() => (given.transform === undefined ? controller.enqueue(value) : given.transform(value, controller)));
        },
        async close() {
          await failBoth(() => given.flush?.(controller));
          closeCore(core);
        },
        async abort(reason) {
          failCore(core, reason);
          await given.cancel?.(reason);
        },
      },
      writableStrategy,
    );
  }

  get readable() {
    return this.#readable;
  }

  get writable() {
    return this.#writable;
  }
}

class TextDecoderStream {
  #decoder;
  #transform;

  constructor(label, options) {
    const decoder = new TextDecoder(label, options);
    const pass = (text, controller) => (text === "" ? undefined : controller.enqueue(text));
    this.#decoder = decoder;
    this.#transform = new TransformStream({
      transform: (bytes, controller) => pass(TextDecoder.prototype.decode.call(decoder, bytes, { stream: true }), controller),
      flush: (controller) => pass(TextDecoder.prototype.decode.call(decoder), controller),
    });
  }

  get encoding() {
    return this.#decoder.encoding;
  }

  get fatal() {
    return this.#decoder.fatal;
  }

  get ignoreBOM() {
    return this.#decoder.ignoreBOM;
  }

  get readable() {
    return this.#transform.readable;
  }

  get writable() {
    return this.#transform.writable;
  }
}

class TextEncoderStream {
  #transform = new TransformStream({ transform: (text, controller) => controller.enqueue(native.encodeUtf8(wellFormed(text))) });

  get encoding() {
    return "utf-8";
  }

  get readable() {
    return this.#transform.readable;
  }

  get writable() {
    return this.#transform.writable;
  }
}

finishInterface(TransformStream);
finishInterface(TextDecoderStream);
finishInterface(TextEncoderStream);
