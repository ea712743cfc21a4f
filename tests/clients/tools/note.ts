// Resources of a template: bytes, to be read in base64.
import { resource } from "toolwright";

export default resource({
  name: "note",
  description: "The note of a day.",
  uri: "notes://{day}",
  mimeType: "application/octet-stream",
  complete: { day: (value) => ["monday", "tuesday"].filter((day) => day.startsWith(value)) },
  read: ({ day }) => (day === "never" ? [] : new TextEncoder().encode(`of ${day}`)),
});
