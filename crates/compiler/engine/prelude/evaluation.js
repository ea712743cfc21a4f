// Code from text is off: what runs is what was reviewed when the tool was built.

function refuseCodeFromText() {
  throw new EvalError("code cannot be made from text: eval, new Function and their kin are off in tools");
}

/** A constructor in the place of one that would compile text: `instanceof` and `prototype` go on as before. */
function replaceCompilingConstructor(sample) {
  const prototype = Object.getPrototypeOf(sample);
  const { name } = prototype.constructor;
  const replacement = { [name]: function () { refuseCodeFromText(); } }[name];
  Object.defineProperty(replacement, "prototype", { value: prototype, writable: false });
  Object.defineProperty(prototype, "constructor", { value: replacement, writable: name === "Function", configurable: true });
  return replacement;
}

defineGlobal("eval", Object.defineProperty(() => refuseCodeFromText(), "name", { value: "eval" }));
defineGlobal("Function", replaceCompilingConstructor(function () {}));
replaceCompilingConstructor(function* () {});
replaceCompilingConstructor(async function () {});
replaceCompilingConstructor(async function* () {});
