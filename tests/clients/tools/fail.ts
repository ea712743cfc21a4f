// Fails, in the way a tool says that it failed.
import { tool, ToolError } from "toolwright";

export default tool({
  name: "fail",
  description: "Fails with the reason that it is given.",
  input: { type: "object", properties: { reason: { type: "string" } }, required: ["reason"] },
  run({ reason }) {
    throw new ToolError(reason);
  },
});
