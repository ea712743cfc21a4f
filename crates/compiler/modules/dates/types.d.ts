declare module "toolwright:dates" {
  /** moment with moment-timezone. Zones are known from 1970 to 2050; without a zone, the local time is UTC. */
  const moment: {
    (input?: Input, format?: string | readonly string[], strict?: boolean): Moment;
    utc(input?: Input, format?: string | readonly string[], strict?: boolean): Moment;
    /** From seconds since 1970. */
    unix(seconds: number): Moment;
    /** `tz(input, zone)` reads the input as a clock of the zone shows it; `tz(zone)` is now. */
    tz: {
      (zone: string): Moment;
      (input: Input, zone: string): Moment;
      (input: Input, format: string, zone: string): Moment;
      (input: Input, format: string, strict: boolean, zone: string): Moment;
      names(): string[];
      /** `null` where there is no such zone. */
      zone(name: string): { name: string; abbr(timestampMs: number): string; utcOffset(timestampMs: number): number } | null;
    };
    duration(input?: number | string | object, unit?: Unit): Duration;
    isMoment(value: unknown): value is Moment;
    max(...moments: Moment[]): Moment;
    min(...moments: Moment[]): Moment;
  };
  export default moment;
  export { moment };
  export function zones(): string[];
  export const zoneDataVersion: string;

  type Input = string | number | Date | Moment | readonly number[] | object | undefined | null;
  type Unit =
    | "year" | "years" | "quarter" | "quarters" | "month" | "months" | "week" | "weeks" | "isoWeek" | "day" | "days"
    | "hour" | "hours" | "minute" | "minutes" | "second" | "seconds" | "millisecond" | "milliseconds" | "ms";

  /** Changing methods change the moment itself and give it back: `clone` it first where that matters. */
  export interface Moment {
    clone(): Moment;
    isValid(): boolean;
    /** Tokens such as `YYYY-MM-DD HH:mm z`; ISO 8601 without any. */
    format(tokens?: string): string;
    toISOString(keepOffset?: boolean): string;
    toDate(): Date;
    valueOf(): number;
    unix(): number;
    fromNow(withoutSuffix?: boolean): string;
    from(other: Input, withoutSuffix?: boolean): string;
    tz(zone: string): Moment;
    utc(): Moment;
    /** In minutes. */
    utcOffset(): number;
    isDST(): boolean;
    zoneAbbr(): string;
    add(amount: number | Duration | object, unit?: Unit): Moment;
    subtract(amount: number | Duration | object, unit?: Unit): Moment;
    startOf(unit: Unit): Moment;
    endOf(unit: Unit): Moment;
    diff(other: Input, unit?: Unit, precise?: boolean): number;
    get(unit: Unit): number;
    set(unit: Unit, value: number): Moment;
    year(): number;
    /** 0 to 11 */
    month(): number;
    /** Of the month: 1 to 31. */
    date(): number;
    /** Of the week: 0 is Sunday. */
    day(): number;
    isoWeekday(): number;
    isoWeek(): number;
    dayOfYear(): number;
    daysInMonth(): number;
    hour(): number;
    minute(): number;
    second(): number;
    isBefore(other: Input, unit?: Unit): boolean;
    isAfter(other: Input, unit?: Unit): boolean;
    isSame(other: Input, unit?: Unit): boolean;
    isBetween(from: Input, to: Input, unit?: Unit, bounds?: "()" | "[)" | "(]" | "[]"): boolean;
  }

  export interface Duration {
    as(unit: Unit): number;
    asMilliseconds(): number;
    asSeconds(): number;
    asMinutes(): number;
    asHours(): number;
    asDays(): number;
    humanize(withSuffix?: boolean): string;
    toISOString(): string;
    add(amount: number | Duration, unit?: Unit): Duration;
    subtract(amount: number | Duration, unit?: Unit): Duration;
  }
}
