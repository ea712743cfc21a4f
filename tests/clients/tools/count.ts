// Counts, and tells how far it has come.
import { tool } from "toolwright";

export default tool({
  name: "count",
  description: "Counts to a number and reports each step.",
  input: { type: "object", properties: { to: { type: "integer", minimum: 1, maximum: 20 } }, required: ["to"] },
  async run({ to }, ctx) {
    for (let step = 1; step <= to; step += 1) {
      ctx.progress(step, to, `step ${step}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { counted: to };
  },
});
