// Time since its first use in a call: what a snapshot froze would be the age of the engine.
let performanceOrigin;

function sinceOrigin() {
  const now = native.now();
  if (native.isBuilding()) {
    return 0;
  }
  performanceOrigin ??= now;
  return now - performanceOrigin;
}

defineGlobal("performance", { now: sinceOrigin });
Object.defineProperty(performance, Symbol.toStringTag, { value: "Performance", configurable: true });
