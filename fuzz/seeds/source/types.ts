Tenum Colour { Red = 'red', Blue = 1 << 2, Green = Blue | 1 }
namespace geo { export const zero = 0; }
abstract class Point<T extends object = {}> { constructor(private readonly x: number, y?: T) {} get z(): number { return this.x } static #p = 1; accessor: string; }
type A<T> = T extends infer U ? U : never;
declare const b: unique symbol;
function f(this: Point, a: string): a is string;
function f(a: any) { return a satisfies any as unknown; }
export default [Colour.Red, geo.zero, Point, (globalThis as any)!, <number>1, f<string>];
export type { A };
import type { B } from 'nowhere';
