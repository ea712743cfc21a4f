// Sleeps, so that somebody can lose patience.
import { tool } from "toolwright";

export default tool({
  name: "sleep",
  description: "Sleeps for a number of milliseconds.",
  input: { type: "object", properties: { ms: { type: "integer", minimum: 0, maximum: 60000 } }, required: ["ms"] },
  async run({ ms }) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { slept: ms };
  },
});
