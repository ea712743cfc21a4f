// The next times at which a cron expression fires, by the rules of Vixie cron: five fields, names, ranges, lists, steps, @daily and
// its like; when both the day of the month and the day of the week are restricted, a day that fits either of them counts.
import { tool, ToolError } from "toolwright";

interface Field {
  name: string;
  min: number;
  max: number;
  names: string[];
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const MINUTE: Field = { name: "minute", min: 0, max: 59, names: [] };
const HOUR: Field = { name: "hour", min: 0, max: 23, names: [] };
const DAY: Field = { name: "day of the month", min: 1, max: 31, names: [] };
const MONTH: Field = { name: "month", min: 1, max: 12, names: MONTHS };
const WEEKDAY: Field = { name: "day of the week", min: 0, max: 7, names: DAYS };

const NICKNAMES: Record<string, string> = {
  "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
};

// 29 February may be eight years away (1896 to 1904); whatever has not fired by then never will.
const YEARS_SEARCHED = 9;
const MINUTE_MS = 60_000;

export default tool({
  name: "cron_next",
  title: "Next times of a cron expression",
  description:
    "Lists the next times at which a cron expression (minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, " +
    "@monthly, @yearly) fires. Times are in UTC unless utc_offset_minutes is given.",
  input: {
    type: "object",
    properties: {
      expression: { type: "string", description: "For example 30 9 * * MON-FRI", minLength: 1, maxLength: 200 },
      from: { type: "string", description: "Count from this moment, ISO 8601 with a zone; now, if left out", maxLength: 40 },
      count: { type: "integer", description: "How many times to list", minimum: 1, maximum: 100, default: 5 },
      utc_offset_minutes: { type: "integer", description: "The clock that the expression follows, for example 120 for UTC+2", minimum: -840, maximum: 840, default: 0 },
    },
    required: ["expression"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      expression: { type: "string", description: "The five fields that were understood" },
      times: { type: "array", items: { type: "string", format: "date-time" } },
    },
    required: ["expression", "times"],
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
  examples: [
    {
      input: { expression: "0 12 29 2 *", from: "2026-01-01T00:00:00Z", count: 2 },
      output: { expression: "0 12 29 2 *", times: ["2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"] },
    },
  ],
  run({ expression, from, count = 5, utc_offset_minutes = 0 }) {
    const text = expression.trim().replace(/\s+/g, " ");
    const fields = NICKNAMES[text.toLowerCase()] ?? text;
    const schedule = parse(fields);
    const start = from === undefined ? Date.now() : Date.parse(from);
    if (Number.isNaN(start)) throw new ToolError(`\`from\` is not a time: give it as 2026-01-31T08:00:00Z, not ${JSON.stringify(from)}`);
    const times: string[] = [];
    let moment = start;
    while (times.length < count) {
      moment = nextAfter(schedule, moment, utc_offset_minutes);
      times.push(format(moment, utc_offset_minutes));
    }
    return { expression: fields, times };
  },
});

interface Schedule {
  minutes: Set<number>;
  hours: Set<number>;
  months: Set<number>;
  dayFits: (date: Date) => boolean;
  text: string;
}

function parse(text: string): Schedule {
  const fields = text.split(" ");
  if (fields.length !== 5) {
    throw new ToolError(`a cron expression has 5 fields (minute hour day-of-month month day-of-week), this one has ${fields.length}: ${text}`);
  }
  const [minute, hour, day, month, weekday] = fields;
  const days = parseField(day, DAY);
  const weekdays = new Set([...parseField(weekday, WEEKDAY)].map((value) => value % 7));
  const byDay = (date: Date) => days.has(date.getUTCDate());
  const byWeekday = (date: Date) => weekdays.has(date.getUTCDay());
  const either = !day.startsWith("*") && !weekday.startsWith("*");
  return {
    minutes: parseField(minute, MINUTE),
    hours: parseField(hour, HOUR),
    months: parseField(month, MONTH),
    dayFits: either ? (date) => byDay(date) || byWeekday(date) : (date) => byDay(date) && byWeekday(date),
    text,
  };
}

function parseField(text: string, field: Field): Set<number> {
  const values = new Set<number>();
  for (const item of text.split(",")) {
    const match = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(item);
    if (match === null) throw fieldError(field, item);
    const [, first, last, stepText] = match;
    const step = stepText === undefined ? 1 : Number(stepText);
    if (step === 0 || (first === "*" && last !== undefined)) throw fieldError(field, item);
    const from = first === "*" ? field.min : parseValue(first, field, item);
    // `5/15` means from 5 to the end, as Vixie cron's successors read it.
    const to = last !== undefined ? parseValue(last, field, item) : first === "*" || stepText !== undefined ? field.max : from;
    if (from > to) throw new ToolError(`the ${field.name} \`${item}\` runs backwards: write it as two ranges`);
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}

function parseValue(text: string, field: Field, item: string): number {
  const named = field.names.indexOf(text.toUpperCase());
  const value = named >= 0 ? named + field.min : /^\d{1,2}$/.test(text) ? Number(text) : NaN;
  if (!(value >= field.min && value <= field.max)) throw fieldError(field, item);
  return value;
}

function fieldError(field: Field, item: string): ToolError {
  const names = field.names.length > 0 ? ` or ${field.names[0]} to ${field.names.at(-1)}` : "";
  return new ToolError(`\`${item}\` is not a ${field.name}: it is ${field.min} to ${field.max}${names}, a range such as ${field.min}-${field.min + 2}, *, or one of these with a step such as */2`);
}

/** The first moment after `moment` (both milliseconds of UTC) that fits, searched on the clock of the offset: by months, days, hours, minutes. */
function nextAfter(schedule: Schedule, moment: number, offsetMinutes: number): number {
  const offset = offsetMinutes * MINUTE_MS;
  const date = new Date((Math.floor((moment + offset) / MINUTE_MS) + 1) * MINUTE_MS);
  const lastYear = date.getUTCFullYear() + YEARS_SEARCHED;
  while (date.getUTCFullYear() <= lastYear) {
    if (!schedule.months.has(date.getUTCMonth() + 1)) {
      date.setUTCMonth(date.getUTCMonth() + 1, 1);
      date.setUTCHours(0, 0);
    } else if (!schedule.dayFits(date)) {
      date.setUTCDate(date.getUTCDate() + 1);
      date.setUTCHours(0, 0);
    } else if (!schedule.hours.has(date.getUTCHours())) {
      date.setUTCHours(date.getUTCHours() + 1, 0);
    } else if (!schedule.minutes.has(date.getUTCMinutes())) {
      date.setUTCMinutes(date.getUTCMinutes() + 1);
    } else {
      return date.getTime() - offset;
    }
  }
  throw new ToolError(`\`${schedule.text}\` does not fire within ${YEARS_SEARCHED} years: no month has such a day`);
}

function format(moment: number, offsetMinutes: number): string {
  const local = new Date(moment + offsetMinutes * MINUTE_MS).toISOString().slice(0, 19);
  if (offsetMinutes === 0) return `${local}Z`;
  const two = (value: number) => String(value).padStart(2, "0");
  const size = Math.abs(offsetMinutes);
  return `${local}${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
