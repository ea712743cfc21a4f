// Adds two numbers: a result that keeps the promise of an output schema.
import { tool } from "toolwright";

export default tool({
  name: "add",
  title: "Sum",
  description: "Adds two numbers.",
  input: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"],
    additionalProperties: false,
  },
  output: { type: "object", properties: { sum: { type: "number" } }, required: ["sum"] },
  annotations: { readOnlyHint: true, idempotentHint: true },
  run({ a, b }) {
    return { sum: a + b };
  },
});
