declare module "toolwright:decimal" {
  type Value = string | number | bigint | Decimal;

  /** A decimal number of up to 50 significant digits, or as many as `Decimal.set({ precision })` says; results beyond that are rounded. Methods give new numbers. */
  export class Decimal {
    constructor(value: Value);
    static set(settings: { precision?: number; rounding?: number; toExpNeg?: number; toExpPos?: number }): typeof Decimal;
    static readonly ROUND_UP: 0;
    static readonly ROUND_DOWN: 1;
    static readonly ROUND_CEIL: 2;
    static readonly ROUND_FLOOR: 3;
    static readonly ROUND_HALF_UP: 4;
    static readonly ROUND_HALF_DOWN: 5;
    static readonly ROUND_HALF_EVEN: 6;
    static max(...values: Value[]): Decimal;
    static min(...values: Value[]): Decimal;
    static sum(...values: Value[]): Decimal;
    plus(value: Value): Decimal;
    minus(value: Value): Decimal;
    times(value: Value): Decimal;
    dividedBy(value: Value): Decimal;
    dividedToIntegerBy(value: Value): Decimal;
    modulo(value: Value): Decimal;
    toPower(exponent: Value): Decimal;
    squareRoot(): Decimal;
    naturalLogarithm(): Decimal;
    logarithm(base?: Value): Decimal;
    negated(): Decimal;
    absoluteValue(): Decimal;
    comparedTo(value: Value): number;
    equals(value: Value): boolean;
    greaterThan(value: Value): boolean;
    greaterThanOrEqualTo(value: Value): boolean;
    lessThan(value: Value): boolean;
    lessThanOrEqualTo(value: Value): boolean;
    isZero(): boolean;
    isNegative(): boolean;
    isInteger(): boolean;
    isFinite(): boolean;
    isNaN(): boolean;
    round(): Decimal;
    floor(): Decimal;
    ceil(): Decimal;
    truncated(): Decimal;
    decimalPlaces(): number;
    toDecimalPlaces(places?: number, rounding?: number): Decimal;
    toSignificantDigits(digits?: number, rounding?: number): Decimal;
    toFixed(places?: number, rounding?: number): string;
    toNumber(): number;
    toString(): string;
    toJSON(): string;
  }
  export default Decimal;
}
