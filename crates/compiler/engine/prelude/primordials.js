// What the language has, kept under its names for this prelude: a tool may put something else into the globals, and what it answers is then
// still written by these.
const {
  Array, ArrayBuffer, BigInt, Boolean, DataView, Date, DOMException, Error, EvalError, FinalizationRegistry, Map, Math, Number, Object, Promise, RangeError,
  ReferenceError, Reflect, RegExp, Set, String, Symbol, SyntaxError, TypeError, Uint8Array, URIError, WeakMap, WeakRef, isNaN, parseFloat, parseInt,
} = globalThis;
const { parse: parseJson, stringify: jsonOf } = JSON;
