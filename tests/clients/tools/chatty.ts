// Writes to the log while it works.
import { tool } from "toolwright";

export default tool({
  name: "chatty",
  description: "Writes a line at every level.",
  input: { type: "object" },
  async run() {
    console.debug("looked");
    console.info("found");
    await new Promise((resolve) => setTimeout(resolve, 10));
    console.warn("doubted");
    console.error("gave up");
    return { lines: 4 };
  },
});
