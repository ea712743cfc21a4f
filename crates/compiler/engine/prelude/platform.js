// What the engine's C gives us. Only this prelude can import it.
import * as native from "toolwright:native";

/** Makes a global as the web has it: not enumerable, to be replaced by who likes. */
function defineGlobal(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

/** Makes a class a global that says its name, as the web's classes do. */
function finishInterface(constructor) {
  Object.defineProperty(constructor.prototype, Symbol.toStringTag, { value: constructor.name, configurable: true });
  defineGlobal(constructor.name, constructor);
}

/**
 * While a tool is built its module runs once and is frozen; every call begins from that copy. What the platform does for a call cannot
 * be frozen, so using it at the top level of a module is an error of the build.
 */
function refuseWhileBuilding(what) {
  if (native.isBuilding()) {
    throw new Error(
      `${what} is not available while the tool is built: the top level of the module runs once, before any call; use it inside \`run\``,
    );
  }
}

/** A view of the bytes of an ArrayBuffer or of any view of one. */
function bytesOf(source, what) {
  if (ArrayBuffer.isView(source)) {
    return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  }
  const kind = native.classOf(source);
  if (kind === "ArrayBuffer" || kind === "SharedArrayBuffer") {
    return new Uint8Array(source);
  }
  throw new TypeError(`${what} must be an ArrayBuffer, a typed array or a DataView`);
}
