// Dates, durations and time zones, by moment and moment-timezone. The zones' rules come with it (tzdata), for the years in the catalogue:
// the sandbox has none of its own.
import moment from "moment";
import "moment-timezone/moment-timezone.js";
import zoneData from "toolwright-data:zones";

moment.tz.load(zoneData);

/** The names of the zones, such as Europe/Oslo. */
export function zones() {
  return moment.tz.names();
}

/** Of tzdata, such as 2026a. */
export const zoneDataVersion = zoneData.version;

export { moment };
export default moment;
