// Time since its first use in a call: what a snapshot froze would be the age of the engine.
let performanceOrigin;

defineGlobal("performance", {
  now() {
    const now = native.now();
    performanceOrigin ??= now;
    return now - performanceOrigin;
  },
});
Object.defineProperty(performance, Symbol.toStringTag, { value: "Performance", configurable: true });
