// https://dom.spec.whatwg.org/#events without a tree: an event has one target.

/** For the fields of an event that `dispatchEvent` sets: the class's private members, reached from there. */
let eventState;

class Event {
  #state;

  constructor(type, { bubbles = false, cancelable = false, composed = false } = {}) {
    if (arguments.length === 0) {
      throw new TypeError("an Event needs its type");
    }
    this.#state = {
      type: `${type}`,
      bubbles: Boolean(bubbles),
      cancelable: Boolean(cancelable),
      composed: Boolean(composed),
      target: null,
      currentTarget: null,
      phase: 0,
      isDispatched: false,
      isCanceled: false,
      isStopped: false,
      isInPassiveListener: false,
      timeStamp: sinceOrigin(),
    };
  }

  static {
    eventState = (event) => (native.classOf(event) === "Object" && #state in event ? event.#state : undefined);
  }

  get type() {
    return this.#state.type;
  }

  get target() {
    return this.#state.target;
  }

  get currentTarget() {
    return this.#state.currentTarget;
  }

  get eventPhase() {
    return this.#state.phase;
  }

  get bubbles() {
    return this.#state.bubbles;
  }

  get cancelable() {
    return this.#state.cancelable;
  }

  get composed() {
    return this.#state.composed;
  }

  get defaultPrevented() {
    return this.#state.isCanceled;
  }

  get isTrusted() {
    return false;
  }

  get timeStamp() {
    return this.#state.timeStamp;
  }

  composedPath() {
    return this.#state.currentTarget === null ? [] : [this.#state.currentTarget];
  }

  preventDefault() {
    if (this.#state.cancelable && !this.#state.isInPassiveListener) {
      this.#state.isCanceled = true;
    }
  }

  /** There is no other target that the event would go on to. */
  stopPropagation() {}

  stopImmediatePropagation() {
    this.#state.isStopped = true;
  }
}

class EventTarget {
  /** {type, callback, capture, once, passive, isRemoved}, in the order in which they were added. */
  #listeners = [];

  addEventListener(type, callback, options) {
    const { capture, once, passive, signal } = listenerOptions(options);
    if (callback === null || callback === undefined || signal?.aborted) {
      return;
    }
    if (typeof callback !== "function" && typeof callback !== "object") {
      throw new TypeError("a listener must be a function or an object with a method handleEvent");
    }
    const isSame = (other) => other.type === `${type}` && other.callback === callback && other.capture === capture;
    if (this.#listeners.some(isSame)) {
      return;
    }
    this.#listeners.push({ type: `${type}`, callback, capture, once, passive, isRemoved: false });
    signal?.addEventListener("abort", () => this.removeEventListener(type, callback, { capture }), { once: true });
  }

  removeEventListener(type, callback, options) {
    const { capture } = listenerOptions(options);
    const at = this.#listeners.findIndex((other) => other.type === `${type}` && other.callback === callback && other.capture === capture);
    if (at !== -1) {
      // It may be in the list of a dispatch that is under way.
      this.#listeners[at].isRemoved = true;
      this.#listeners.splice(at, 1);
    }
  }

  dispatchEvent(event) {
    const state = eventState(event);
    if (state === undefined) {
      throw new TypeError("dispatchEvent needs an Event");
    }
    if (state.isDispatched) {
      throw new DOMException("the event is being dispatched already", "InvalidStateError");
    }
    Object.assign(state, { isDispatched: true, target: this, currentTarget: this, phase: 2 });
    for (const listener of this.#listeners.filter(({ type }) => type === state.type)) {
      if (state.isStopped) {
        break;
      }
      if (!listener.isRemoved) {
        this.#tell(listener, event, state);
      }
    }
    Object.assign(state, { isDispatched: false, currentTarget: null, phase: 0, isStopped: false });
    return !state.isCanceled;
  }

  #tell(listener, event, state) {
    if (listener.once) {
      this.removeEventListener(listener.type, listener.callback, listener);
    }
    state.isInPassiveListener = listener.passive;
    try {
      if (typeof listener.callback === "function") {
        listener.callback.call(this, event);
      } else {
        listener.callback.handleEvent(event);
      }
    } catch (error) {
      unhandled(error);
    }
    state.isInPassiveListener = false;
  }
}

function listenerOptions(options) {
  const given = typeof options === "object" && options !== null ? options : { capture: Boolean(options) };
  return { capture: Boolean(given.capture), once: Boolean(given.once), passive: Boolean(given.passive), signal: given.signal };
}

for (const [at, name] of ["NONE", "CAPTURING_PHASE", "AT_TARGET", "BUBBLING_PHASE"].entries()) {
  Object.defineProperty(Event, name, { value: at, enumerable: true });
  Object.defineProperty(Event.prototype, name, { value: at, enumerable: true });
}
finishInterface(Event);
finishInterface(EventTarget);
