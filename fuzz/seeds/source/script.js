aconst a = { b: 1, ["c"]: 2n, get d() { return /(?<a>.)\k<a>/u }, async *e() { yield* []; await 1 } };
label: for (const [x, ...y] of [[1]]) { if (x ?? y) continue label; else break; }
class A { static { this.#p?.(); } static #p() {} }
export default function () { return a?.b?.[0] ?? `${a}${`${1}`}`; }
export { a as "b c" };
const { z = 1, ...rest } = a; new.target; import.meta; await import("toolwright:csv");
