// https://dom.spec.whatwg.org/#aborting-ongoing-activities

/** Only this prelude makes and aborts signals. */
const SIGNAL_KEY = Symbol("signal");
let abortSignal;
/** Calls a function with the reason when a signal is aborted, before any listener; gives what undoes that. Without a signal, nothing. */
let whenAborted;

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  #onabort = null;
  /** Signals of `AbortSignal.any` that follow this one. */
  #followers = [];
  /** What this prelude itself does when it is aborted. */
  #steps = new Set();

  constructor(key) {
    if (key !== SIGNAL_KEY) {
      throw new TypeError("a signal is made by new AbortController(), AbortSignal.abort, .timeout or .any");
    }
    super();
  }

  static {
    abortSignal = (signal, reason) => signal.#abort(reason);
    whenAborted = (signal, step) => {
      signal?.#steps.add(step);
      return () => signal?.#steps.delete(step);
    };
  }

  static abort(reason) {
    const signal = new AbortSignal(SIGNAL_KEY);
    signal.#abort(reason);
    return signal;
  }

  static timeout(delayMs) {
    needArguments("AbortSignal.timeout", arguments, 1);
    const number = Number(delayMs);
    if (!(number > -1 && number <= Number.MAX_SAFE_INTEGER)) {
      throw new TypeError("AbortSignal.timeout needs a number of milliseconds from 0");
    }
    const signal = new AbortSignal(SIGNAL_KEY);
    addTimer("AbortSignal.timeout", () => signal.#abort(new DOMException(`the time of ${delayMs} ms is over`, "TimeoutError")), delayMs, [], false);
    return signal;
  }

  static any(signals) {
    const follower = new AbortSignal(SIGNAL_KEY);
    const sources = [...signals];
    for (const source of sources) {
      if (!(source instanceof AbortSignal)) {
        throw new TypeError("AbortSignal.any needs a list of signals");
      }
    }
    const aborted = sources.find((source) => source.#aborted);
    if (aborted !== undefined) {
      follower.#aborted = true;
      follower.#reason = aborted.#reason;
    } else {
      sources.forEach((source) => source.#followers.push(follower));
    }
    return follower;
  }

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  get onabort() {
    return this.#onabort;
  }

  set onabort(callback) {
    this.removeEventListener("abort", this.#onabort);
    this.#onabort = typeof callback === "function" ? callback : null;
    this.addEventListener("abort", this.#onabort);
  }

  throwIfAborted() {
    if (this.#aborted) {
      throw this.#reason;
    }
  }

  #abort(reason = new DOMException("this operation was aborted", "AbortError")) {
    if (this.#aborted) {
      return;
    }
    // All that follow are aborted before any listener runs.
    const all = this.#markAborted(reason);
    for (const signal of all) {
      const steps = [...signal.#steps];
      signal.#steps.clear();
      steps.forEach((step) => step(reason));
    }
    all.forEach((signal) => signal.dispatchEvent(new Event("abort")));
  }

  #markAborted(reason) {
    if (this.#aborted) {
      return [];
    }
    this.#aborted = true;
    this.#reason = reason;
    const followers = this.#followers;
    this.#followers = [];
    return [this, ...followers.flatMap((follower) => follower.#markAborted(reason))];
  }
}

class AbortController {
  #signal = new AbortSignal(SIGNAL_KEY);

  get signal() {
    return this.#signal;
  }

  abort(reason) {
    abortSignal(this.#signal, reason);
  }
}

finishInterface(AbortSignal);
finishInterface(AbortController);
